"""How well worlds tell right programs from wrong ones, how fast, and what hostile programs do.

The claims: of each gold program's wrong mutants at least 98 % are caught and of its harmless rewrites at least 98 % are
accepted, both macro over the operators (at least 100 and 45); 1,000 answers are judged by execution in at most 60
seconds on two cores; a hostile program does nothing and costs its own case only.

    python benchmarks/eval_worlds.py [EVERY]     EVERY: only each EVERY-th case (default 1, all of them)
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.gold import OPEN, SUITES, all_cases, answer, gold, program, suite  # noqa: E402
from tests.support.hostile import HOSTILE  # noqa: E402
from tunewright.chat.calls.code_mode import CallSyntaxError  # noqa: E402
from tunewright.contract.catalog import load_catalog  # noqa: E402
from tunewright.contract.suite import Case, Prediction  # noqa: E402
from tunewright.eval.grade_answer import judge  # noqa: E402
from tunewright.eval.harmless import HARMLESS, harmless  # noqa: E402
from tunewright.eval.mutants import WRONG, mutants  # noqa: E402
from tunewright.eval.parse import Answer, parse_code  # noqa: E402
from tunewright.eval.trial import Trials  # noqa: E402

CORES = 2
ANSWERS = 1_000
CATALOG = load_catalog("coding")
Counts = dict[str, list[int]]  # operator -> programs made, judged as they should be


def measure(place: int, every: int) -> tuple[Counts, Counts]:
    """Mutants and rewrites of this process's share of the cases."""
    wrong: Counts = defaultdict(lambda: [0, 0])
    right: Counts = defaultdict(lambda: [0, 0])
    cases = [(case, program(text)) for case, text in all_cases() if case.expect.tools]
    with Trials(CATALOG) as trials:
        for case, source in cases[::every][place::CORES]:
            for name, codes in mutants(source, case, CATALOG, 2).items():
                for code in codes:
                    differs = _differs(trials, case, code)
                    if differs is not None:
                        wrong[name][0] += 1
                        wrong[name][1] += differs
            for name, codes in harmless(source, case, CATALOG, 2).items():
                for code in codes:
                    right[name][0] += 1
                    right[name][1] += judge(case, Prediction(case=case.id, text=answer(code)), trials).passed
    return dict(wrong), dict(right)


def _differs(trials: Trials, case: Case, code: str) -> bool | None:
    try:
        return trials.is_mutant(case, 0, Answer("", (parse_code(code),), (code,)))
    except CallSyntaxError:
        return True


def judge_share(place: int) -> float:
    """Seconds for this process's share of the answers: half of them right, half wrong."""
    pairs = [(case, text) for case, text in all_cases() if case.expect.tools]
    others = {case.id: pairs[(i + 1) % len(pairs)][1] for i, (case, _) in enumerate(pairs)}
    with Trials(CATALOG) as trials:
        started = time.perf_counter()
        for number in range(place, ANSWERS, CORES):
            case, text = pairs[number // 2 % len(pairs)]
            said = others[case.id] if number % 4 > 1 else text
            # No answer is the same twice, so that none is remembered.
            said = said.replace(OPEN, f"{OPEN}# {number}\n")
            judge(case, Prediction(case=case.id, text=said), trials)
        return time.perf_counter() - started


def merged(parts: list[Counts]) -> Counts:
    found: Counts = defaultdict(lambda: [0, 0])
    for part in parts:
        for name, (made, good) in part.items():
            found[name][0] += made
            found[name][1] += good
    return found


def told(what: str, counts: Counts, known: Mapping[str, object], least: int) -> None:
    macro = sum(good / made for made, good in counts.values()) / len(counts)
    made, good = sum(c[0] for c in counts.values()), sum(c[1] for c in counts.values())
    holds = macro >= 0.98 and len(counts) >= least
    print(
        f"{what}: {macro:.2%} macro over {len(counts)} operators (of {len(known)}), {good:,} of {made:,} programs; "
        f"claim at least 98 % over {least}: {'holds' if holds else 'DOES NOT HOLD'}"
    )
    for name, (n, k) in sorted(counts.items(), key=lambda item: item[1][1] / item[1][0]):
        if k < n:
            print(f"    {name:<28} {k:>4} of {n}")


def hostile() -> None:
    case = next(case for case, _ in all_cases() if case.expect.tools)
    before = set(Path("/tmp").glob("hostile_*"))
    with Trials(CATALOG) as trials:
        for name, code in HOSTILE.items():
            started = time.perf_counter()
            outcome = judge(case, Prediction(case=case.id, text=answer(code)), trials)
            print(
                f"    {name:<22} {time.perf_counter() - started:5.1f} s  passed {outcome.passed}  {outcome.reasons[0][:70]}"
            )
        right = judge(case, Prediction(case=case.id, text=gold(SUITES[0])[case.id]), trials)
    made = set(Path("/tmp").glob("hostile_*")) - before
    print(f"    the next right answer passes: {right.passed}; files made: {len(made)}")


def spread(function: Callable[..., object], *more: object) -> list[object]:
    with ProcessPoolExecutor(CORES, get_context("spawn")) as pool:
        return [job.result() for job in [pool.submit(function, place, *more) for place in range(CORES)]]


def main() -> None:
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    print(
        f"{sum(len(suite(name).cases) for name in SUITES)} cases; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    taken = max(float(str(seconds)) for seconds in spread(judge_share))
    print(f"{ANSWERS:,} answers by execution: {taken:.1f} s on {CORES} cores; claim at most 60 s: "
          f"{'holds' if taken <= 60 else 'DOES NOT HOLD'}")  # fmt: skip
    print("hostile programs")
    hostile()
    parts: list[tuple[Counts, Counts]] = spread(measure, every)  # type: ignore[assignment]
    told("wrong mutants caught", merged([part[0] for part in parts]), WRONG, 100)
    told("harmless rewrites accepted", merged([part[1] for part in parts]), HARMLESS, 45)


if __name__ == "__main__":
    main()
