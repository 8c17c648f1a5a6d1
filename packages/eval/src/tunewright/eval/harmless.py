"""Operators that rewrite a right program without changing what it does; a fair judge accepts what they make."""

from collections.abc import Mapping
from itertools import islice

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval import harmless_calls, harmless_flow, harmless_prints
from tunewright.eval.rewrites import HARMLESS, Program

OPERATORS = (harmless_calls, harmless_prints, harmless_flow)  # each enters its own into `HARMLESS`


def harmless(source: str, case: Case, catalog: Catalog, each: int = 1) -> Mapping[str, list[str]]:
    """Operator -> its first `each` rewrites of a gold program; operators that do not apply are left out."""
    program = Program(source, case, catalog)
    found: dict[str, list[str]] = {}
    for name, apply in HARMLESS.items():
        made = [code for code in islice(apply(program), each) if code.strip()]
        if made:
            found[name] = made
    return found
