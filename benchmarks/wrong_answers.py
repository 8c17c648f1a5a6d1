"""Every case of the shipped suites against wrong answers of six kinds: that each fails where it is wrong.

The tests do this on the quick subset, a fifth of the cases.

    python benchmarks/wrong_answers.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.gold import SUITES, trials, whole_suite  # noqa: E402
from tests.support.wrong_answers import KINDS, let_pass  # noqa: E402


def main() -> int:
    """Print how many answers of each kind were made and let pass; the exit code is 1 when one was."""
    cases = [
        (case, str(case.gold[0])) for name in SUITES for case in whole_suite(name).cases if case.expect.tools
    ]
    print(f"{len(cases)} cases that call tools")
    failed = False
    for kind in KINDS:
        made = sum(1 for case, text in cases for _ in kind(case, text))
        passed = [found for case, text in cases for found in let_pass(case, text, trials(), kind)]
        print(f"{kind.__name__:<20} {made:>6,} wrong answers, {len(passed)} let pass", *passed, sep="\n    ")
        failed = failed or bool(passed) or not made
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
