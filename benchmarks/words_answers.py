"""How many wrong answers in words scoring refuses, and how many right ones it accepts.

    python benchmarks/words_answers.py            both halves, by suite
    python benchmarks/words_answers.py --slips    and the answers of the first half that are judged otherwise

The sheet, `words_answers.jsonl`, has a line for each case of the suites that is answered in words: three wrong answers as a
small fine-tuned model writes them (fluent, about the subject, with its key words) and three right ones, all written from the
request alone, before its facts were read. Half of each suite's cases, drawn with a seed, may be looked at when the rules are
changed; the other half measures, and its answers are never printed.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHEET = Path(__file__).with_suffix(".jsonl")
SEED, TARGET = 20261129, 0.98

from tunewright.contract.suite import Case, read_suite  # noqa: E402
from tunewright.eval.statistics import wilson_interval  # noqa: E402
from tunewright.eval.words import wrong_words  # noqa: E402


def words_cases() -> dict[tuple[str, str], Case]:
    """Every case that is answered in words, by suite and id."""
    suites = [read_suite(path) for path in sorted((ROOT / "suites").glob("*.jsonl"))]
    return {(suite.name, case.id): case for suite in suites for case in suite.cases if not case.expect.tools}


def looked_at(keys: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The half of each suite's cases that rules may be tuned on."""
    random = Random(SEED)
    by_suite: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in sorted(keys):
        by_suite[key[0]].append(key)
    return {key for listed in by_suite.values() for key in random.sample(listed, len(listed) // 2)}


def share(right: int, total: int) -> str:
    low, high = wilson_interval(right, total)
    return f"{right:>3} of {total:>3}  {right / total:6.1%} ({low:.1%} to {high:.1%})"


def main() -> int:
    """Print the shares; exit 1 where a case has no answers or the held-out half misses the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slips", action="store_true", help="print the misjudged answers of the first half")
    options = parser.parse_args()
    cases = words_cases()
    rows: list[dict[str, Any]] = [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]
    answered = {(row["suite"], row["case"]) for row in rows}
    for suite, case in sorted(cases.keys() ^ answered):
        print(f"{suite} {case}: on one side only, the suite or the sheet")
    first = looked_at(sorted(cases))
    judged: Counter[tuple[bool, str, str, bool]] = Counter()
    kinds: Counter[tuple[bool, str, bool]] = Counter()
    for row in rows:
        key = row["suite"], row["case"]
        if key not in cases:
            continue
        half = key in first
        answers = [("right", text) for text in row["right"]]
        answers += [(how, text) for how, texts in row["wrong"].items() for text in texts]
        for how, text in answers:
            read = "right" if how == "right" else "wrong"
            reasons = wrong_words(cases[key], text)
            agrees = bool(reasons) == (read == "wrong")
            judged[half, row["suite"], read, agrees] += 1
            kinds[half, how, agrees] += 1
            if options.slips and half and not agrees:
                print(
                    f"{read}, {how}: {row['suite']} {row['case']}: {row['request']!r}\n    {text!r} {reasons}"
                )
    kept = cases.keys() == answered
    for half, title in ((True, "looked at when rules were changed"), (False, "held out")):
        print(title)
        for read, verdict in (("wrong", "refused"), ("right", "accepted")):
            right = total = 0
            for suite in sorted({suite for suite, _ in cases}):
                good, bad = judged[half, suite, read, True], judged[half, suite, read, False]
                print(f"  {read}, {verdict:<8}  {suite:<12} {share(good, good + bad)}")
                right, total = right + good, total + good + bad
            print(f"  {read}, {verdict:<8}  {'all':<12} {share(right, total)}")
            kept = kept and (half or right >= TARGET * total)
        for how in sorted({how for which, how, _ in kinds if which == half and how != "right"}):
            good, bad = kinds[half, how, True], kinds[half, how, False]
            print(f"    {how:<18} refused  {share(good, good + bad)}")
    print(
        f"at least {TARGET:.0%} of the held-out answers judged rightly, wrong and right:",
        "kept" if kept else "BROKEN",
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
