"""How many wrong programs scoring refuses that were written to get past it, and how many right ones it accepts.

    python benchmarks/written_programs.py            each round's shares
    python benchmarks/written_programs.py --slips    and the programs of round 1 that are judged otherwise

`eval_worlds.py` changes golds in known ways; this shows what nobody thought of. The sheet, `written_programs.jsonl`, has for
240 cases two right programs in other styles, and four wrong ones as a small model writes them: the right call, and
something wrong with what is printed, in one branch, for some results. Four writers saw the requests and the catalog alone.

Before round 1, 240 of 280 (its first half) were refused and 126 of 140 accepted. Worlds and rules were changed because of
both halves: one tool finds nothing where another one finds something, files, lines and codes repeat, texts have several
lines, some places are in the file that was asked about; a line must not say the contrary of what came out. Round 2 was
measured once, fresh: 337 of 400 wrong ones refused (84 %, 80 to 88) and 190 of 200 right ones accepted (95 %). Since then
skipped tests, lines with two findings and authors with several commits came of it (353 and 190).

Most of what passes prints what was asked for in an order or form that was not (all findings in one line), or says something
false where the call failed and the request speaks of no failure.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHEET = Path(__file__).with_suffix(".jsonl")
TARGET = 0.98
OPEN = "<tool_call><function=execute_code>\n<parameter=code>\n"
CLOSE = "\n</parameter>\n</function></tool_call>"

from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.contract.suite import Case, Prediction, read_suite  # noqa: E402
from tunewright.eval.grade_answer import judge  # noqa: E402
from tunewright.eval.statistics import wilson_interval  # noqa: E402
from tunewright.eval.trial import Trials  # noqa: E402


def read_cases(names: set[str]) -> dict[tuple[str, str], Case]:
    """(suite, id) -> case."""
    return {
        (name, case.id): case
        for name in names
        for case in read_suite(ROOT / "suites" / f"{name}.jsonl").cases
    }


def main() -> int:
    """Print the shares; exit 1 where the newest round misses the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slips", action="store_true", help="print the misjudged programs of round 1")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]
    cases = read_cases({row["suite"] for row in rows})
    agreed: Counter[tuple[int, str]] = Counter()
    total: Counter[tuple[int, str]] = Counter()
    with Trials(load_catalog("coding")) as trials:
        for row in rows:
            case = cases[row["suite"], row["case"]]
            answers = [("right", code, "") for code in row["right"]]
            answers += [("wrong", wrong["code"], wrong["why"]) for wrong in row["wrong"]]
            for read, code, why in answers:
                outcome = judge(case, Prediction(case=case.id, text=f"{OPEN}{code}{CLOSE}"), trials)
                agrees = outcome.passed is (read == "right")
                total[row["round"], read] += 1
                agreed[row["round"], read] += agrees
                if options.slips and row["round"] == 1 and not agrees:
                    said = why or "; ".join(outcome.reasons)
                    print(f"{read}: {row['suite']} {case.id}: {case.request!r}\n{code}\n  {said}\n")
    for (number, read), count in sorted(total.items()):
        low, high = wilson_interval(agreed[number, read], count)
        share = (
            f"{agreed[number, read]} of {count}  {agreed[number, read] / count:.1%} ({low:.1%} to {high:.1%})"
        )
        print(f"round {number}  {read} programs {'accepted' if read == 'right' else 'refused ':<8}  {share}")
    newest = max(row["round"] for row in rows)
    kept = all(agreed[newest, read] >= TARGET * total[newest, read] for read in ("right", "wrong"))
    print(
        f"at least {TARGET:.0%} of the newest round judged as its writers do:", "kept" if kept else "BROKEN"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
