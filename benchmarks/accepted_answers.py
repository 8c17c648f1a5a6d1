"""How many of the answers that scoring accepts are wrong when a person reads them.

    python benchmarks/accepted_answers.py                      rescore the sheet, compare with its readings
    python benchmarks/accepted_answers.py --draw FILE [FILE ...] [--again]  add a draw from predictions, to be read
    python benchmarks/accepted_answers.py --of FILE [FILE ...]     of all accepted in predictions, what was read as wrong

The sheet, `accepted_answers.jsonl`, holds draws. A draw has up to 200 answers that were accepted and 100 that were not, in a
seeded order and without their verdicts: `read` is what a reader said of each, `right` or `wrong`, before the verdicts were
known. An answer is right when it does what the request asks: calls what is asked for and would print or say it, however odd
it is otherwise. FILE is `NAME/<suite>.jsonl`, as runs and validations keep them.

Only draws that were read since grading last changed measure, all of them together: after the earlier ones were read it was
tightened. Those show that nothing came back.
Draw 1 is two seeds of the tiny model, draw 2 two runs of SmolLM2, draw 3 the whole suites answered by a run that was trained
on hand-written direct answers. Read fresh, 8 of the 72 accepted ones of draw 3 were wrong, 6 of them words: a model that has
seen good prose writes fluent nonsense, and facts that must occur do not see it. Two rules came of it (a run of five words
said twice, separators that were asked for). Draw 4 is the default run's model on the whole suites, read by two readers who
agreed on all but 2 of 141; read fresh, 4 of its 41 accepted ones were wrong, 2 of them words. Two more rules came of it
(words of the request alone tell no result, no tool is named that does not exist), so it is not fresh any more either.
Draw 5 is the default recipe with another seed, on the quick cases of two suites and on the five others: 0 of 33 wrong. Draw
6 is the default run's model on the whole two suites, without what earlier draws had: 9 of the 19 accepted ones were wrong, 4
of them words and 2 labels that tell nothing (`not tested`). Three rules came of it (worlds in which most tests fail, silence
where a request asks for it, three words said three times), so that these two are not fresh either.
Draw 7 is five runs of the default recipe (three seeds, data of three versions of the generator) on all suites: 4 of the 107
accepted programs and 16 of the 26 accepted texts were wrong. Six rules came of it; since then `executed` counts the cases
that are run apart from those in words. Draw 8 is the default recipe with
three seeds on all suites, as far as its answers had not been read before: both readers agreed on all 131, and 4 of the 19
accepted programs and 6 of the 12 accepted texts are wrong. Of all 160 answers that were accepted of these three runs, read
in one draw or another, 4 of 142 programs (1 to 7 %) and 7 of 18 texts are wrong (`--of`).
Draw 9 is three seeds of the default recipe on the whole suites, as far as they had not been read: 9 of the 81 accepted
programs and all 7 accepted texts were wrong. Nearly all of the programs print words of their own that do not say how it came
out (`supported`, `made`), or say the contrary. Two rules and three golds came of it.
Draws 10 and 11 are two more seeds on the whole suites, read after that by two readers who agreed on all 246: 3 of the 38
accepted programs (`swaps` and `not swaps`) and 6 of the 8 accepted texts were wrong. One rule came of it: words of the
request tell it only as an answer to a question, and as a pair.
Draw 12 is three seeds that nothing had been chosen by (6, 7, 8) on the whole suites, after worlds and rules had been changed
because of programs that were written to get past them (`written_programs.py`) and the direct questions had been replaced.
Every accepted answer was read, also what earlier draws had: 7 of 192 programs and 2 of 5 texts wrong, together 4.6 % of 197
(2.4 to 8.4). Three of the programs do what their case took for right: a count, an exit code or files alone, where the
findings, the output or the usages were wanted. These golds are gone, and a label of another field, a pair that answers
the wrong way round, and "X is a …" behind the answer alone are refused since then.
Draw 13 is another seed (9), read after that by two readers who agreed on all 158: 0 of 58 accepted programs wrong; no text
was accepted. Draw 14 is seed 11, after the same: 1 of 55 accepted answers wrong by both readers ("The timeout is 30."
where a number only was asked for), and one on which they differ (the files of callers, without lines; taken for right, as
two earlier readers had it). Fresh, draws 13 and 14 together: 1 of 113 (0.9 %; 1.8 % with the disputed one). Of all 301
answers that are accepted of the five seeds, every one read blind, 1 is wrong (`--of`); for three of the seeds that is after
rules made because of their readings.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHEET = Path(__file__).with_suffix(".jsonl")
SEED, ACCEPTED, REJECTED = 20261128, 200, 100
CLAIMED, FEWEST = 0.02, 80  # of the accepted answers; fewer of them measure nothing
FRESH = 13  # the first draw that was read after grading last changed

from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.contract.suite import Case, Prediction, Suite, read_suite  # noqa: E402
from tunewright.eval.predictions import read_predictions  # noqa: E402
from tunewright.eval.suite_score import score_predictions  # noqa: E402


def request(case: Case) -> str:
    return next(m.content or "" for m in reversed(case.messages) if m.role == "user")


def judged(files: list[Path]) -> dict[bool, list[dict[str, Any]]]:
    """The answers of saved predictions, by whether they are accepted."""
    catalog = load_catalog("coding")
    piles: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for path in files:
        suite = read_suite(ROOT / "suites" / path.name)
        by_id = {case.id: case for case in suite.cases}
        for outcome in score_predictions(suite, read_predictions(path), catalog).outcomes:
            if not outcome.missing:
                asked = request(by_id[outcome.case])
                piles[outcome.passed].append(
                    {"suite": suite.name, "case": outcome.case, "request": asked, "answer": outcome.text}
                )
    return piles


def read_of(files: list[Path]) -> bool:
    """Print how many of all accepted answers were read as wrong, in whichever draw; whether that is within the claim."""
    readings = {(row["suite"], row["case"], row["answer"]): row["read"] for row in read_sheet()}
    accepted = judged(files)[True]
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for row in accepted:
        reading = readings.get((row["suite"], row["case"], row["answer"])) or "unread"
        counts["<tool_call>" in row["answer"]][reading] += 1
    for title, is_program in (("programs", True), ("words", False)):
        found = counts[is_program]
        print(f"accepted {title}: {found.total()}, {found['wrong']} read as wrong, {found['unread']} unread")
    wrong, unread = (sum(found[kind] for found in counts.values()) for kind in ("wrong", "unread"))
    print(f"together {wrong} of {len(accepted)} read as wrong ({wrong / max(1, len(accepted)):.1%})")
    return not unread and len(accepted) >= FEWEST and wrong <= CLAIMED * len(accepted)


def draw(files: list[Path], again: bool) -> None:
    """Add a draw without readings to the sheet; accepted answers may be fewer than wanted.

    `again`: answers of earlier draws may be in it, and are read again.
    """
    piles = judged(files)
    random = Random(SEED)
    earlier = read_sheet()
    seen = {(row["suite"], row["case"], row["answer"]) for row in earlier if not again}
    rows: list[dict[str, Any]] = []
    for passed, wanted in ((True, ACCEPTED), (False, REJECTED)):
        pile = [
            row
            for row in {json.dumps(row): row for row in piles[passed]}.values()
            if (row["suite"], row["case"], row["answer"]) not in seen
        ]
        rows += random.sample(pile, min(wanted, len(pile)))
    random.shuffle(rows)
    number = max((row["draw"] for row in earlier), default=0) + 1
    with SHEET.open("a", encoding="utf-8") as sheet:
        for row in rows:
            sheet.write(json.dumps({"draw": number, **row, "read": ""}, ensure_ascii=False) + "\n")
    print(f"{SHEET}: {len(rows)} answers to read")


def read_sheet() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]


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
    parser.add_argument("--draw", nargs="+", type=Path, metavar="FILE", help="add a draw from predictions")
    parser.add_argument(
        "--again", action="store_true", help="with --draw: answers of earlier draws are read again"
    )
    parser.add_argument(
        "--of", nargs="+", type=Path, metavar="FILE", help="count what is accepted in predictions"
    )
    options = parser.parse_args()
    if options.draw:
        draw(options.draw, options.again)
        return 0
    if options.of:
        return 0 if read_of(options.of) else 1
    rows = read_sheet()
    pairs = list(zip(rows, verdicts(rows)))
    for number in sorted({row["draw"] for row in rows}):
        report(f"draw {number}", [pair for pair in pairs if pair[0]["draw"] == number])
    kept = report(f"draws {FRESH} and later", [pair for pair in pairs if pair[0]["draw"] >= FRESH])
    print(
        f"at most {CLAIMED:.0%} of {FEWEST} or more fresh answers wrongly accepted:",
        "kept" if kept else "BROKEN",
    )
    return 0 if kept else 1


def report(name: str, judged: list[tuple[dict[str, Any], bool | None]]) -> bool:
    """Print the figures of a draw or of several; whether they are read, enough and within the claim."""
    gone = sum(verdict is None for _, verdict in judged)
    unread = sum(row["read"] not in ("right", "wrong") for row, _ in judged)
    accepted = [row for row, verdict in judged if verdict]
    rejected = [row for row, verdict in judged if verdict is False]
    wrong = [row for row in accepted if row["read"] == "wrong"]
    right = [row for row in rejected if row["read"] == "right"]
    print(f"{name}: {len(judged)} answers, {gone} to cases that changed, {unread} unread")
    for title, listed in (("accepted, read as wrong", wrong), ("rejected, read as right", right)):
        for row in listed:
            asked, answer = row["request"], row["answer"]
            print(f"  {title}: {row['suite']} {row['case']}: {asked!r}\n    {answer!r}  {row.get('why', '')}")
    said = [row for row in accepted if "<tool_call>" not in row["answer"]]
    false = sum(row in wrong for row in said)
    print(f"  accepted programs, read as wrong: {len(wrong) - false} of {len(accepted) - len(said)}")
    print(f"  accepted words, read as wrong: {false} of {len(said)}")
    for title, part, whole in (
        ("accepted, read as wrong", wrong, accepted),
        ("rejected, read as right", right, rejected),
    ):
        print(f"  {title}: {len(part)} of {len(whole)} ({len(part) / max(1, len(whole)):.1%})")
    return unread == 0 and len(accepted) >= FEWEST and len(wrong) <= CLAIMED * len(accepted)


if __name__ == "__main__":
    sys.exit(main())
