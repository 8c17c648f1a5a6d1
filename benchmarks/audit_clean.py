"""How often the whole audit accuses datasets that have no shortcut.

    python benchmarks/audit_clean.py [--datasets 1000] [--seed 20261127]

Each dataset is a file of OpenAI rows, audited as a user would. What is around a request is drawn without looking at the
tool: one list of tools, lists of many sizes, lists that belong to a domain; wordings with and without a template's name;
several sources that are built differently; a tool with two thirds of all calls; questions back before the call; rows without
tools. A tenth as many have the right tool first in the list, to see that it is found.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from made_calls import CLEAN, PLANTS, clean

from tunewright.audit.audited import audit_dataset


def main() -> int:
    """Print how often each check spoke; exit 1 when the promise of the documentation is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--datasets", type=int, default=1000, help="clean datasets; a tenth as many are not")
    parser.add_argument("--seed", type=int, default=20261127)
    options = parser.parse_args()
    random, start = Random(options.seed), time.perf_counter()
    spoke: Counter[str] = Counter()
    alarms = failing = found = 0
    shapes: Counter[str] = Counter()
    checks = max(1, options.datasets // 10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        for number in range(options.datasets + checks):
            kind, size = CLEAN[number % len(CLEAN)], (200, 400, 800)[number // len(CLEAN) % 3]
            is_planted = number >= options.datasets
            rows = clean("one list" if is_planted else kind, size, random)
            for row in rows if is_planted else ():
                if any(m.get("tool_calls") for m in row["messages"]):
                    PLANTS["right tool first"][0](row, random)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            judged = [
                finding
                for finding in audit_dataset([path]).findings
                # That sources are built differently is so, and said; it is not a shortcut.
                if finding.check.startswith(("shortcut.", "coverage.")) and finding.severity != "info"
                if finding.label != "source"
            ]
            if is_planted:
                found += any(finding.check == "shortcut.tool_position" for finding in judged)
                continue
            alarms += bool(judged)
            failing += any(finding.severity == "fail" for finding in judged)
            shapes[kind] += bool(judged)
            if number % 20 == 19:
                print(f"{number + 1} clean datasets: {alarms} accused", file=sys.stderr, flush=True)
            spoke.update(f"{finding.check} {finding.feature} ({kind}, {size})" for finding in judged)
    print(
        f"False alarms: {alarms} of {options.datasets} clean datasets, {failing} of them graded fail (seed {options.seed})"
    )
    for name, count in spoke.most_common():
        print(f"  {name}: {count}")
    print(f"The right tool put first: found in {found} of {checks}")
    print(f"({time.perf_counter() - start:.0f} s)")
    kept = alarms <= 0.01 * options.datasets and found >= 0.95 * checks
    print("Promised: at most 1% false alarms, 95% of the right tool put first:", "kept" if kept else "BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
