"""What a host holds, part by part, and what of it may go: the plan that is shown before anything is removed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

KEEP = 5


@dataclass(frozen=True)
class Part:
    """A part of a run on a host, or an environment, a blob or a leftover."""

    name: str  # what a person calls it: `train`, `checkpoint`, `blobs/ab12…`
    paths: tuple[str, ...]  # in the run's folder, or in the host's for what belongs to no run
    bytes: int
    goes: bool
    reason: str

    def __str__(self) -> str:
        return f"{'goes' if self.goes else 'stays':<5}  {self.name:<12} {_size(self.bytes)}  {self.reason}"


@dataclass(frozen=True)
class RunPlan:
    """What a run on a host holds, and what of it may go."""

    id: str
    state: str  # empty where nobody knows
    bytes: int
    parts: tuple[Part, ...] = ()
    stays: str = ""  # why all of it stays
    status_sha256: str = ""
    python: str = ""  # the run's Python on the host

    @property
    def going(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.goes)

    @property
    def whole(self) -> bool:
        """Nothing of the run stays."""
        return bool(self.parts) and len(self.going) == len(self.parts)

    def __str__(self) -> str:
        head = f"{self.id}  {self.state or 'unknown'}  {_size(self.bytes).strip()}"
        if self.stays:
            return f"{head}  stays: {self.stays}"
        return "\n".join([head, *(f"  {part}" for part in self.parts)])


@dataclass(frozen=True)
class CleanupPlan:
    """What a host holds, run by run, and what of it may go."""

    host: str
    runs: tuple[RunPlan, ...]  # the latest first
    others: tuple[Part, ...]  # environments, blobs, leftovers that may go

    @property
    def bytes_going(self) -> int:
        parts = [part for run in self.runs for part in run.going]
        return sum(part.bytes for part in (*parts, *self.others))

    @property
    def empty(self) -> bool:
        return not (self.others or any(run.going for run in self.runs))

    def without(self, protected: Mapping[str, str]) -> "CleanupPlan":
        """The plan in which nothing of these runs goes."""
        spared = [
            replace(run, parts=(), stays=protected[run.id]) if run.id in protected else run
            for run in self.runs
        ]
        return replace(self, runs=tuple(spared))

    def __str__(self) -> str:
        lines = [str(run) for run in self.runs]
        lines += ["used by no run that stays", *(f"  {part}" for part in self.others)] if self.others else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Choice:
    """Which runs are meant. Every field narrows the choice, but for `only`, which also overrides `keep`."""

    keep: int = KEEP  # the latest of them stay
    only: str = ""  # one run's id
    float_copies: bool = False  # only fused models, which are made again from the adapters
    failed: bool = False  # only runs that failed, were cancelled or were lost


def _size(count: int) -> str:
    return f"{count / 1e6:10.1f} MB"
