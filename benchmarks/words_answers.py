"""How many wrong answers in words scoring refuses, and how many right ones it accepts.

    python benchmarks/words_answers.py            each round, both halves, by suite
    python benchmarks/words_answers.py --slips    and the answers of the first half that are judged otherwise

The sheet, `words_answers.jsonl`, has rounds of wrong answers as a small fine-tuned model writes them (fluent, about the
subject, with its key words) and of right ones, to the cases of the suites that are answered in words. Half of each suite's
cases, drawn with a seed, may be looked at when rules are changed.

Rounds 1 to 4 were written by one writer from the requests alone: round 1 before the facts were read, each later one after
they had been changed because of the earlier ones. (Some wrong ones of round 1 are a small model's own, from
`accepted_answers.jsonl`.) The writer of the facts knew the earlier rounds' answers in both halves, so that only the general
rules were tuned on one half. Round 4 has the held-out half only, and wrong answers that were written to have the right words
in them. These rounds have no answers to `navigation`, whose direct questions were others then: of round 4's wrong answers
to those 11 of 30 were refused, of its right ones 25 of 30 accepted.

Rounds 5 to 7 are to the direct questions of `navigation`, which ask for the answer alone since then. Each had a writer of
its own, who saw the requests and nothing else, and tried to get past a grader that looks for the right word. Rules came of
the first two. Round 7 changed nothing: it measures.
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

from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.contract.suite import Case, read_suite  # noqa: E402
from tunewright.eval.statistics import wilson_interval  # noqa: E402
from tunewright.eval.words import wrong_words  # noqa: E402

Key = tuple[str, str]  # a suite's name and a case's id


def words_cases() -> dict[Key, Case]:
    """Every case that is answered in words."""
    suites = [read_suite(path) for path in sorted((ROOT / "suites").glob("*.jsonl"))]
    return {(suite.name, case.id): case for suite in suites for case in suite.cases if not case.expect.tools}


def looked_at(keys: list[Key]) -> set[Key]:
    """The half of each suite's cases that rules may be tuned on."""
    random = Random(SEED)
    by_suite: defaultdict[str, list[Key]] = defaultdict(list)
    for key in sorted(keys):
        by_suite[key[0]].append(key)
    return {key for listed in by_suite.values() for key in random.sample(listed, len(listed) // 2)}


class Tally:
    """Right verdicts and all of them, by half, what an answer is, and a heading."""

    def __init__(self) -> None:
        self.right: Counter[tuple[bool, str, str]] = Counter()
        self.all: Counter[tuple[bool, str, str]] = Counter()

    def add(self, half: bool, read: str, agrees: bool, *headings: str) -> None:
        for heading in headings:
            self.all[half, read, heading] += 1
            self.right[half, read, heading] += agrees

    def show(self, half: bool) -> bool:
        """Print a half's shares; whether all wrong and all right answers reach the target."""
        for which, read, heading in sorted(self.all, key=lambda key: (key[1] == "right", key[2])):
            if which == half:
                right, total = self.right[half, read, heading], self.all[half, read, heading]
                low, high = wilson_interval(right, total)
                verdict = "refused" if read == "wrong" else "accepted"
                print(
                    f"  {read}, {verdict:<8}  {heading:<24} {right:>3} of {total:>3}  {right / total:6.1%} "
                    f"({low:.1%} to {high:.1%})"
                )
        return all(
            self.right[half, read, "all"] >= TARGET * self.all[half, read, "all"]
            for read in ("wrong", "right")
        )


def asked_otherwise(cases: dict[Key, Case], tools: tuple[str, ...]) -> None:
    """Print how many right answers to another case of the category are refused. All refusals of a tool sound alike."""
    refused = total = 0
    for case in cases.values():
        for other in cases.values():
            if other is not case and other.category == case.category and not case.expect.declines:
                refused += bool(wrong_words(case, str(other.gold[0]), tools=tools))
                total += 1
    print(f"golds of other cases, refused: {refused:,} of {total:,} ({refused / total:.1%})")


def main() -> int:
    """Print the shares; exit 1 where a case has no answers or the newest round misses the target in either half."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slips", action="store_true", help="print the misjudged answers of the first half")
    options = parser.parse_args()
    cases, tools = words_cases(), load_catalog("coding").tool_names
    rows: list[dict[str, Any]] = [json.loads(line) for line in SHEET.read_text(encoding="utf-8").splitlines()]
    missing = sorted(cases.keys() ^ {(row["suite"], row["case"]) for row in rows})
    for suite, case in missing:
        print(f"{suite} {case}: in the suite or in the sheet, not in both")
    first = looked_at(sorted(cases))
    kept = False
    for number in sorted({row["round"] for row in rows}):
        tally = Tally()
        for row in rows:
            key = row["suite"], row["case"]
            if row["round"] != number or key not in cases:
                continue
            answers = [("right", text) for text in row["right"]]
            answers += [(how, text) for how, texts in row["wrong"].items() for text in texts]
            for how, text in answers:
                read = "right" if how == "right" else "wrong"
                reasons = wrong_words(cases[key], text, tools=tools)
                agrees = bool(reasons) == (read == "wrong")
                tally.add(key in first, read, agrees, "all", key[0], *([how] if read == "wrong" else []))
                if options.slips and key in first and not agrees:
                    print(f"{how}: {row['suite']} {row['case']}: {row['request']!r}\n    {text!r} {reasons}")
        kept = not missing
        for half, title in ((True, "looked at"), (False, "held out")):
            print(f"round {number}, {title}")
            kept = tally.show(half) and kept
    asked_otherwise(cases, tools)
    print(
        f"at least {TARGET:.0%} of the newest round's answers judged rightly, in both halves:",
        "kept" if kept else "BROKEN",
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
