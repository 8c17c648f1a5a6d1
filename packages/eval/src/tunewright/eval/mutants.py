"""Operators that make a right program wrong, each in a way that models do; a suite that can tell catches their mutants.

An operator applies only where the change is certainly wrong: a dropped guard that the request did not ask for is no
mutant.
"""

import ast
from collections.abc import Mapping
from itertools import islice

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval import wrong_calls, wrong_flow, wrong_prints, wrong_programs
from tunewright.eval.rewrites import WRONG, Program

OPERATORS = (wrong_programs, wrong_prints, wrong_calls, wrong_flow)  # each enters its own into `WRONG`


def _same(code: str, plain: str) -> bool:
    try:
        return ast.unparse(ast.parse(code)) == plain
    except (SyntaxError, ValueError):
        return False


def mutants(source: str, case: Case, catalog: Catalog, each: int = 3) -> Mapping[str, list[str]]:
    """Operator -> its first `each` mutants of a gold program; operators that do not apply are left out."""
    program = Program(source, case, catalog)
    plain = ast.unparse(program.tree)
    found: dict[str, list[str]] = {}
    for name, apply in WRONG.items():
        made = [code for code in islice(apply(program), each) if code.strip() and not _same(code, plain)]
        if made:
            found[name] = list(dict.fromkeys(made))
    return found
