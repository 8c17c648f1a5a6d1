"""The task that writes a run's curves for TensorBoard: an extra, `tunewright[trackers]`, and never by itself."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from invoke.context import Context

from tunewright.cli.invoke_program import command
from tunewright.cli.pipeline import WORK
from tunewright.cli.runs import RUN, find
from tunewright.contract.console import say

if TYPE_CHECKING:
    from tunewright.contract.run import Event

BOARDS = WORK / "tensorboard"
SUFFIX = ".tunewright"  # of the files that we write, and alone replace
# A loss event's key, and the chart that it goes to.
OF_A_STEP = {
    "loss": "loss/train",
    "gradient": "train/gradient_norm",
    "learning_rate": "train/learning_rate",
    "tokens": "train/tokens",
    "tokens_per_second": "train/tokens_per_second",
    "peak_memory": "train/peak_memory_bytes",
}
LARGEST_STEP = 2**53


class Scalar(NamedTuple):
    """A point of a chart. `time` is in seconds since 1970."""

    tag: str
    step: int
    value: float
    time: float


def scalars(events: "Iterable[Event]") -> list[Scalar]:
    """The points in a run's events, by chart and step. A step that a resumed run repeats counts as it was told last.

    Events come from a host: what is not a number, or has no place on a chart, is left out.
    """
    found: dict[tuple[str, int], Scalar] = {}
    time = 0.0
    for event in events:
        time = _seconds(event.time, time)
        step = event.data.get("step")
        if type(step) is not int or not 0 <= step < LARGEST_STEP:
            continue
        for tag, value in _values(event):
            found[tag, step] = Scalar(tag, step, value, time)
    return [found[place] for place in sorted(found)]


def _values(event: "Event") -> Iterator[tuple[str, float]]:
    charts = {"loss": OF_A_STEP, "validation": {"loss": "loss/validation"}}.get(event.kind, {})
    for key, tag in charts.items():
        value = event.data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                yield tag, float(value)
            except OverflowError:
                continue


def _seconds(time: str, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(time).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def write_board(folder: Path, points: list[Scalar]) -> None:
    """Write an event file in TensorBoard's format; it takes the place of the one that was written before."""
    from tensorboardX import SummaryWriter

    ours = f"events.out.tfevents.*{SUFFIX}"
    before = set(folder.glob(ours))
    writer: Any = SummaryWriter(str(folder), filename_suffix=SUFFIX)
    for point in points:
        writer.add_scalar(point.tag, point.value, point.step, walltime=point.time)
    writer.close()
    if set(folder.glob(ours)) - before:  # within the same second it is the same file
        for path in before:
            path.unlink()


@command(
    run=RUN,
    out="the folder for TensorBoard's files, one folder a run in it (default: .tunewright/tensorboard)",
)
def curves(c: Context, run: str = "", out: str = "") -> None:
    """Write a run's losses, learning rate, speed and memory for TensorBoard, also while the run goes on."""
    from tunewright.contract.atomic import check_place
    from tunewright.contract.errors import UserError

    try:
        import tensorboardX  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise UserError(
            "tensorboardX is not installed: it is an extra", "Install it: uv sync --inexact --extra trackers"
        ) from None
    folder = find(run)
    points = scalars(folder.read_events())
    if not points:
        raise UserError(
            f"run {folder.path.name} has told no loss yet",
            f"See how far it is: ./inv status --run {folder.path.name}",
        )
    boards = Path(out) if out else BOARDS
    check_place(boards / folder.path.name)
    write_board(boards / folder.path.name, points)
    say(f"curves    {len(points):,} points in {boards / folder.path.name}; tensorboard --logdir {boards}")


TASKS = (curves,)
