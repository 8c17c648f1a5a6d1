"""Were all direct answers read twice, and what did the readings find?

    python benchmarks/direct_answers.py                        the sheet against the pairs; exit 1 where one is unread
    python benchmarks/direct_answers.py --sample 20 [--seed 7] print pairs to read once more, drawn at random

The sheet, `direct_answers.jsonl`, has a line for each pair of `datagen/families/direct_answers`: what two readings by the
writer of the pairs said, `right` or `fixed` (it was wrong, or a colleague would not write it, and was changed), what was
changed, and the hash of the text that was read last. The first reading was made with the code at hand and ran what was in
doubt, the second over the whole set afterwards. `third` is the verdict on the pairs that `--sample 60` prints, read once
more after all changes: `wrong` there is what the first two let through.
"""

import argparse
import json
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random

from tunewright.datagen.families.direct import Pair, read_pairs
from tunewright.eval.statistics import wilson_interval

SHEET = Path(__file__).with_suffix(".jsonl")
SEED = 20261129


def text_hash(pair: Pair) -> str:
    return sha256(f"{pair.question}\0{pair.answer}".encode()).hexdigest()[:12]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=0, help="how many pairs to print")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    pairs = read_pairs()
    if arguments.sample:
        for name in Random(arguments.seed).sample(sorted(pairs), min(arguments.sample, len(pairs))):
            print(f"## {name}\n> {pairs[name].question}\n\n{pairs[name].answer}\n")
        return 0
    rows = {row["id"]: row for row in map(json.loads, SHEET.read_text(encoding="utf-8").splitlines())}
    unread = [name for name, pair in pairs.items() if rows.get(name, {}).get("text") != text_hash(pair)]
    gone = sorted(set(rows) - set(pairs))
    print(f"{len(pairs)} pairs, {len(pairs) - len(unread)} read as they are now")
    for reading in ("first", "second", "third"):
        said = Counter(row[reading] for row in rows.values() if row.get(reading))
        total = sum(said.values())
        if total:
            low, high = wilson_interval(said["right"], total)
            others = ", ".join(f"{count} {word}" for word, count in said.items() if word != "right")
            share = f"{said['right'] / total:.1%} right (95 %: {low:.1%} to {high:.1%})"
            print(f"{reading} reading: {total} read, {share}{', ' + others if others else ''}")
    for name in unread:
        print(f"not read as it is now: {name}")
    for name in gone:
        print(f"on the sheet and no longer a pair: {name}")
    return 1 if unread or gone else 0


if __name__ == "__main__":
    sys.exit(main())
