"""What a run's events tell about its course: losses, stage times, tokens, memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tunewright.contract.encoding import tool_tokens_text
from tunewright.contract.run import Event

Point = tuple[int, float]  # step, loss


@dataclass(frozen=True)
class History:
    """`seconds` maps a stage to the time it took; a stage that was reused from an earlier run took none."""

    training: tuple[Point, ...] = ()
    validation: tuple[Point, ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    reused: tuple[str, ...] = ()
    tokens: int = 0  # trained on
    tokens_per_second: float = 0.0
    peak_memory: int = 0  # bytes
    warnings: tuple[str, ...] = ()
    tool_tokens: str = ""  # trained tokens by tool, as a text
    facts: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )  # stage -> what it found out

    @property
    def minutes(self) -> float:
        return sum(seconds for _, seconds in self.seconds) / 60


def read_history(events: Sequence[Event]) -> History:
    """Collect the course of a run. A step that a resumed run repeats counts once, as it was told last."""
    training: dict[int, float] = {}
    validation: dict[int, float] = {}
    seconds: dict[str, float] = {}
    reused: list[str] = []
    warnings: list[str] = []
    facts: dict[str, Mapping[str, Any]] = {}
    tokens, pace, memory, tools = 0, 0.0, 0, ""
    for event in events:
        data = event.data
        step, loss = _number(data.get("step")), _number(data.get("loss"))
        if event.kind == "loss" and step is not None and loss is not None:
            training[int(step)] = loss
            tokens = int(_number(data.get("tokens")) or tokens)
            pace = _number(data.get("tokens_per_second")) or pace
            memory = max(memory, int(_number(data.get("peak_memory")) or 0))
        elif event.kind == "validation" and step is not None and loss is not None:
            validation[int(step)] = loss
        elif event.kind == "tool_tokens":
            tools = tool_tokens_text(data.get("tokens"))
        elif event.kind == "stage_end":
            if isinstance(told := data.get("facts"), dict):
                facts[event.stage] = told
            seconds[event.stage] = seconds.get(event.stage, 0.0) + (_number(data.get("seconds")) or 0.0)
        elif event.kind == "stage_reused":
            reused.append(event.stage)
        elif event.kind == "warning":
            warnings.append(str(data.get("message", "")))
    return History(
        tuple(sorted(training.items())),
        tuple(sorted(validation.items())),
        tuple(seconds.items()),
        tuple(dict.fromkeys(reused)),
        tokens,
        pace,
        memory,
        tuple(warnings),
        tools,
        facts,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    return value
