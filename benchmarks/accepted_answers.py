"""How many of the answers that scoring accepts are wrong when a person reads them.

    python benchmarks/accepted_answers.py                      rescore the sheet, compare with its readings
    python benchmarks/accepted_answers.py --draw RUN [RUN ...] draw a new sheet from the answers of runs

The sheet, `accepted_answers.jsonl`, holds up to 200 answers that were accepted and 100 that were not, in a seeded order and
without their verdicts: `read` is what a reader said of each, `right` or `wrong`, before the verdicts were known. An answer
is right when it does what the request asks: calls what is asked for and would print or say it, however odd it is otherwise.

The first 199 lines are the tiny model's (two seeds); grading was tightened after they were read, so that they show no more
than that nothing came back. The 87 after them are SmolLM2's (two runs), read after the last change: of the 42 accepted ones
one reads as wrong, a sentence with the right words in it that means nothing.
"""

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHEET = Path(__file__).with_suffix(".jsonl")
SEED, ACCEPTED, REJECTED = 20261128, 200, 100

from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.contract.suite import Case, Prediction, Suite, read_suite  # noqa: E402
from tunewright.eval.predictions import read_predictions  # noqa: E402
from tunewright.eval.suite_score import score_predictions  # noqa: E402


def request(case: Case) -> str:
    return next(m.content or "" for m in reversed(case.messages) if m.role == "user")


def draw(runs: list[Path]) -> None:
    """Write a sheet without readings. The small model's accepted answers are rare: there may be fewer than wanted."""
    catalog = load_catalog("coding")
    piles: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for run in runs:
        for path in sorted(run.glob("predictions/quantized/*.jsonl")):
            suite = read_suite(ROOT / "suites" / path.name)
            by_id = {case.id: case for case in suite.cases}
            for outcome in score_predictions(suite, read_predictions(path), catalog).outcomes:
                if not outcome.missing:
                    asked = request(by_id[outcome.case])
                    piles[outcome.passed].append(
                        {"suite": suite.name, "case": outcome.case, "request": asked, "answer": outcome.text}
                    )
    random = Random(SEED)
    rows: list[dict[str, Any]] = []
    for passed, wanted in ((True, ACCEPTED), (False, REJECTED)):
        pile = list({json.dumps(row): row for row in piles[passed]}.values())
        rows += random.sample(pile, min(wanted, len(pile)))
    random.shuffle(rows)
    SHEET.write_text("".join(json.dumps({**row, "read": ""}, ensure_ascii=False) + "\n" for row in rows))
    print(f"{SHEET}: {len(rows)} answers to read")


def verdicts(rows: list[dict[str, Any]]) -> list[bool | None]:
    """Whether scoring accepts each answer; None where the case is gone or asks something else by now."""
    catalog = load_catalog("coding")
    suites: dict[str, dict[str, Case]] = {}
    found: list[bool | None] = []
    for row in rows:
        name = row["suite"]
        if name not in suites:
            suites[name] = {case.id: case for case in read_suite(ROOT / "suites" / f"{name}.jsonl").cases}
        case = suites[name].get(row["case"])
        if case is None or request(case) != row["request"]:
            found.append(None)
            continue
        answer = Prediction(case=case.id, text=row["answer"])
        score = score_predictions(Suite(name=name, cases=(case,)), [answer], catalog)
        found.append(score.outcomes[0].passed)
    return found


def main() -> int:
    """Print both shares; exit 1 when more than 2 % of the accepted answers read as wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--draw", nargs="+", type=Path, metavar="RUN", help="draw a new sheet from these runs"
    )
    options = parser.parse_args()
    if options.draw:
        draw(options.draw)
        return 0
    rows = [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]
    judged = list(zip(rows, verdicts(rows)))
    gone = sum(verdict is None for _, verdict in judged)
    unread = sum(row["read"] not in ("right", "wrong") for row in rows)
    accepted = [row for row, verdict in judged if verdict]
    rejected = [row for row, verdict in judged if verdict is False]
    wrong = [row for row in accepted if row["read"] == "wrong"]
    right = [row for row in rejected if row["read"] == "right"]
    for title, listed in (("accepted, read as wrong", wrong), ("rejected, read as right", right)):
        for row in listed:
            print(
                f"{title}: {row['suite']} {row['case']}: {row['request']!r}\n    {row['answer']!r}  {row.get('why', '')}"
            )
    print(f"{len(rows)} answers, {gone} to cases that changed, {unread} unread")
    print(
        f"accepted {len(accepted):>4}, read as wrong {len(wrong):>3} ({len(wrong) / max(1, len(accepted)):.1%}; at most 2%)"
    )
    print(
        f"rejected {len(rejected):>4}, read as right {len(right):>3} ({len(right) / max(1, len(rejected)):.1%})"
    )
    kept = unread == 0 and len(accepted) >= 80 and len(wrong) <= 0.02 * len(accepted)
    print("at most 2% wrongly accepted:", "kept" if kept else "BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
