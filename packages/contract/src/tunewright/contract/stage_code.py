"""What a stage's result depends on besides its inputs: its code, by a number raised by hand, and the libraries it uses."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tunewright.contract.atomic import sha256_json


@dataclass(frozen=True)
class StageCode:
    """Raise `number` when the same inputs give another result. `libraries` are the distributions that decide it too.

    tests/unit/test_stage_code.py fails when the code changed and the number did not, and says how to decide.
    """

    stage: str
    number: int
    libraries: tuple[str, ...] = ()

    def key(self, *inputs: Any) -> str:
        """A hash of the stage, its number, its libraries' versions and `inputs` (JSON values). Equal keys, equal results."""
        return sha256_json(
            [self.stage, self.number, {name: _installed(name) for name in self.libraries}, inputs]
        )


def _installed(distribution: str) -> str:
    """Its version; empty when it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
