"""The runs of this laptop, as last heard. Asks no host."""

from dataclasses import dataclass
from pathlib import Path

from tunewright.contract.errors import UserError
from tunewright.contract.run import RunFolder
from tunewright.remote.pull import PULLED


@dataclass(frozen=True)
class RunRow:
    """A run of this laptop."""

    id: str
    host: str
    recipe: str
    state: str  # as last heard
    stage: str
    pulled: bool
    bytes: int

    def __str__(self) -> str:
        where = f" in {self.stage}" if self.stage and self.state != "done" else ""
        home = "" if self.pulled else ", not pulled"
        return f"{self.id}  {self.host}  {self.state}{where}{home}  {self.bytes / 1e6:.1f} MB"


def list_runs(root: Path, host: str | None = None) -> list[RunRow]:
    """The runs of the checkout at `root`, oldest first; only those of `host` when it is given."""
    rows: list[RunRow] = []
    for path in sorted((root / "runs").glob("*/spec.json")):
        run = RunFolder(path.parent)
        try:
            spec = run.read_spec()
        except UserError:
            continue  # not a run of this version
        if host is None or spec.host == host:
            status = run.read_status()
            size = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
            rows.append(
                RunRow(
                    id=spec.id,
                    host=spec.host,
                    recipe=spec.recipe.name,
                    state=status.state if status else "not started",
                    stage=status.stage if status else "",
                    pulled=(run.path / PULLED).is_file(),
                    bytes=size,
                )
            )
    return rows
