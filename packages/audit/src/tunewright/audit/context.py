"""What a check written in Python is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from tunewright.audit.checks import Check
from tunewright.audit.partial_input_baselines import Predictions, predict_tools

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe

Offence = Mapping[str, Any]  # columns of `offences`, without check_id


@dataclass(frozen=True)
class Context:
    """The tables, and what was said on the command line."""

    connection: duckdb.DuckDBPyConnection
    by_definition: frozenset[tuple[str, str]] = frozenset()
    recipe: "Recipe | None" = None

    @cached_property
    def predictions(self) -> Predictions | None:
        """The baselines' predictions, made when they are first asked for."""
        return predict_tools(self.connection)


@dataclass(frozen=True)
class PythonCheck:
    """A check and the function that runs it with the user's thresholds."""

    check: Check
    find: Callable[[Context, Check], Iterator[Offence]]
