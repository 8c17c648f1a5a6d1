"""What is wrong with a suite before anybody answers it: gold that cannot be right, and tools that changed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tunewright.contract.example import Example
from tunewright.contract.suite import Case
from tunewright.eval.answer_calls import offered_tools, parameters_by_tool
from tunewright.eval.compare_arguments import Schema
from tunewright.eval.held_out import gold_fault
from tunewright.eval.json_schema import standard_schema


def case_fault(case: Case) -> str:
    """Why no right answer of a case that is given as calls can be right; empty when one can."""
    schemas = parameters_by_tool(offered_tools(case.tools, case.messages))
    faults: list[str] = []
    for answer in case.gold_calls:
        fault = next((found for call in answer.tool_calls if (found := gold_fault(call, schemas))), "")
        if not fault:
            return ""
        faults.append(fault)
    return faults[0] if faults else ""


@dataclass
class KnownTools:
    """The tools that rows offer: by name, each form of its parameters with the place where it was first seen."""

    forms: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def add(self, example: Example, place: str) -> None:
        for name, schema in parameters_by_tool(offered_tools(example.tools, example.messages)).items():
            self.forms.setdefault(name, {}).setdefault(form(schema), place)

    def changed(self, case: Case) -> list[tuple[str, str, str]]:
        """Tools that a case offers with other parameters than any row does: name, what it has, and a row with another.

        Copies with changed tools are made so on purpose.
        """
        if case.perturbs:
            return []
        offered = parameters_by_tool(offered_tools(case.tools, case.messages))
        return [
            (name, _parameters(schema), next(iter(forms.values())))
            for name, schema in offered.items()
            if (forms := self.forms.get(name)) and form(schema) not in forms
        ]


def known_tools(rows: Iterable[tuple[str, Example]]) -> KnownTools:
    """The tools of rows with their places."""
    known = KnownTools()
    for place, example in rows:
        known.add(example, place)
    return known


def form(schema: Schema) -> str:
    """What a schema says of values, whatever it says to readers, and in whatever order."""
    return repr(_sorted(standard_schema(schema)))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted(
            (key, _sorted(inner)) for key, inner in value.items() if inner != [] or key != "required"
        )
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=repr)
    return value


def _parameters(schema: Schema) -> str:
    properties = schema.get("properties")
    return ", ".join(properties) if isinstance(properties, dict) and properties else "no parameter"
