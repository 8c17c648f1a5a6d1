"""An example on its way: slot, run, cross-check, offer, write, round trip. Each step fills in more, or turns it away."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tunewright.datagen.example_messages import Step, Work
from tunewright.datagen.rejections import Rejected
from tunewright.datagen.structure import Form
from tunewright.datagen.tool_sampling import Offer


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A request and its answer. What a step has not filled in yet is empty."""

    family: str  # the kind of work, by which the ledger counts
    tools: tuple[str, ...] = ()  # all that it needs, in the order of their calls
    request: str = ""
    template: str = ""  # the request's wording, before names were filled in
    cluster: str = ""
    work: Work = field(default_factory=Work)  # an answer in words has no program
    later: tuple[Step, ...] = ()  # requests that follow up on it
    scenario: str = ""  # the scenario's name
    corpus: str = ""  # `name==version`
    engines: str = ""  # whose word the navigation results rest on
    values: tuple[str, ...] = ()  # what the request must name, whatever its words
    group: str = ""
    form: Form = field(default_factory=Form)
    missing: bool = False  # what it needs is not offered
    offer: Offer | None = None
    row: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def calls(self) -> bool:
        """Whether tools do the work."""
        return bool(self.work.program)


C = TypeVar("C", bound=Candidate)


def take_steps(made: C | Rejected, *steps: Callable[[C], C | Rejected]) -> C | Rejected:
    """The candidate after all steps, or the first rejection."""
    for step in steps:
        if isinstance(made, Rejected):
            break
        made = step(made)
    return made
