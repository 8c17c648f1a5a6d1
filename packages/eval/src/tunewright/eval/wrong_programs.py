"""Mutants in which the whole right program is placed where it never runs, or where nobody sees what it prints."""

from collections.abc import Iterator

from tunewright.eval.rewrites import (
    WRONG,
    Operator,
    Program,
    shows,
    wrapped,
    wrong,
)

# The whole program where it never runs, or where nobody sees what it prints.
_HIDDEN = {
    "if_false": "if False:\n    PROGRAM",
    "if_zero": "if 0:\n    PROGRAM",
    "if_empty_text": 'if "":\n    PROGRAM',
    "if_none": "if None:\n    PROGRAM",
    "if_debug": "debug = False\nif debug:\n    PROGRAM",
    "while_false": "while False:\n    PROGRAM",
    "for_in_nothing": "for _ in []:\n    PROGRAM",
    "for_range_zero": "for _ in range(0):\n    PROGRAM",
    "never_called": "def main():\n    PROGRAM",
    "named_not_called": "def main():\n    PROGRAM\nmain",
    "not_awaited": "async def main():\n    PROGRAM\nmain()",
    "unconsumed_generator": "def main():\n    PROGRAM\n    yield\nmain()",
    "unconsumed_map": "def main(_):\n    PROGRAM\nmap(main, [1])",
    "unconsumed_expression": "def main():\n    PROGRAM\n(main() for _ in [1])",
    "method_never_called": "class Job:\n    def run(self):\n        PROGRAM\nJob()",
    "class_never_made": "class Job:\n    def __init__(self):\n        PROGRAM",
    "after_return": "def main():\n    return\n    PROGRAM\nmain()",
    "after_exit": "import sys\nsys.exit(0)\nPROGRAM",
    "after_raise": "raise SystemExit\nPROGRAM",
    "after_failure": "1 / 0\nPROGRAM",
    "after_unknown_name": "prepare()\nPROGRAM",
    "unknown_import": "import toolbox\nPROGRAM",
    "in_except": "try:\n    ready = True\nexcept ValueError:\n    PROGRAM",
    "in_else_of_failure": "try:\n    int('x')\nexcept ValueError:\n    pass\nelse:\n    PROGRAM",
    "in_else_of_break": "for _ in [1]:\n    break\nelse:\n    PROGRAM",
    "after_break": "while True:\n    break\n    PROGRAM",
    "after_continue": "for _ in [1]:\n    continue\n    PROGRAM",
    "short_circuit_and": "def main():\n    PROGRAM\nFalse and main()",
    "short_circuit_or": "def main():\n    PROGRAM\nTrue or main()",
    "other_branch": "def main():\n    PROGRAM\nNone if True else main()",
    "other_case": "match 1:\n    case 2:\n        PROGRAM",
    "partial_not_called": "from functools import partial\ndef main():\n    PROGRAM\npartial(main)",
    "lambda_not_called": "def main():\n    PROGRAM\nrun = lambda: main()",
    "comprehension_of_nothing": "def main():\n    PROGRAM\n[main() for _ in ()]",
    "suppressed_failure": "import contextlib\nwith contextlib.suppress(ValueError):\n    int('x')\n    PROGRAM",
    "twice": "for _ in range(2):\n    PROGRAM",
}
for _name, _template in _HIDDEN.items():
    WRONG[_name] = wrapped(_template)
_UNSEEN = {
    "print_replaced": "def print(*values, **options):\n    return None\nPROGRAM",
    "into_buffer": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    PROGRAM",
    "print_into_list": "shown = []\nprint = lambda *values, **options: shown.append(values)\nPROGRAM",
    "stdout_replaced": "import io, sys\nsys.stdout = io.StringIO()\nPROGRAM",
}


@wrong("in_text")
def _in_text(program: Program) -> Iterator[str]:
    yield f"print({program.source!r})\n"


@wrong("in_comments")
def _in_comments(program: Program) -> Iterator[str]:
    yield "".join(f"# {line}\n" for line in program.source.splitlines()) + "print('done')\n"


@wrong("made_up_output")
def _made_up(program: Program) -> Iterator[str]:
    yield 'print("src/app.py:12")\n'


def _unseen(template: str) -> Operator:
    return lambda program: wrapped(template)(program) if shows(program) else ()


for _name, _template in _UNSEEN.items():
    WRONG[_name] = _unseen(_template)
