"""A run's curves for TensorBoard, written by the real library and read back as its format says."""

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto import event_pb2

from tests.support.commands import Inv, commands_on
from tests.support.made_run import RUN_ID, events, make_run
from tunewright.cli import curves
from tunewright.cli.curves import OF_A_STEP, scalars
from tunewright.contract.run import Event, RunFolder

BOARD_EVENT: Any = getattr(event_pb2, "Event")  # noqa: B009 - the class is made when the module is loaded


def told(kind: str, **data: Any) -> Event:
    return Event(seq=1, time="2026-11-23T09:31:00.000+00:00", stage="train", kind=kind, data=data)


def points(path: Path) -> Iterator[tuple[str, int, float, float]]:
    """The scalars of an event file: records of a length, its checksum, a message and its checksum."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        message = BOARD_EVENT.FromString(data[at + 12 : at + 12 + length])
        for value in message.summary.value:
            yield value.tag, message.step, value.simple_value, message.wall_time
        at += 12 + length + 4
    assert at == len(data)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "runs", every=30)


@pytest.fixture
def inv(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inv:
    monkeypatch.setattr(curves, "BOARDS", tmp_path / "boards")
    return commands_on(tmp_path, monkeypatch)


def boards(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{RUN_ID}/events.out.tfevents.*"))


def test_every_loss_of_the_run_is_a_point_at_its_step_and_time(inv: Inv, tmp_path: Path) -> None:
    said = inv("curves", "--run", RUN_ID)
    assert said.code == 0, said.err
    [board] = boards(tmp_path / "boards")
    found = list(points(board))
    losses = [row["data"] for row in events() if row["kind"] == "loss"]
    assert len(losses) > 20
    charted = [(step, value) for tag, step, value, _ in found if tag == "loss/train"]
    assert [step for step, _ in charted] == [data["step"] for data in losses]
    assert [value for _, value in charted] == pytest.approx([data["loss"] for data in losses])
    validated = [row["data"] for row in events() if row["kind"] == "validation"]
    assert [step for tag, step, *_ in found if tag == "loss/validation"] == [d["step"] for d in validated]
    assert {tag for tag, *_ in found} == {"loss/train", "loss/validation"} | {
        OF_A_STEP[key] for key in losses[0] if key in OF_A_STEP and key != "loss"
    }
    assert all(1795426260 <= time < 1795426320 for *_, time in found), (
        "when it was told, not when it was written"
    )
    assert str(tmp_path / "boards") in said.err


def test_written_again_it_holds_what_has_come_since_and_nothing_twice(
    inv: Inv, run: RunFolder, tmp_path: Path
) -> None:
    lines = run.events.read_text().splitlines(keepends=True)
    run.events.write_text("".join(lines[:12]))
    out = tmp_path / "mine"
    (out / RUN_ID).mkdir(parents=True)
    other = out / RUN_ID / "events.out.tfevents.1.somebody"
    other.write_text("theirs")
    assert inv("curves", "--run", RUN_ID, "--out", str(out)).code == 0
    [first] = [path for path in boards(out) if path != other]
    few = list(points(first))
    run.events.write_text("".join(lines))
    assert inv("curves", "--run", RUN_ID, "--out", str(out)).code == 0
    [board] = [path for path in boards(out) if path != other]
    found = list(points(board))
    assert len(found) > len(few) > 0
    assert len({(tag, step) for tag, step, *_ in found}) == len(found)
    assert other.read_text() == "theirs"


def test_a_step_that_a_resumed_run_repeats_counts_once_as_it_was_told_last() -> None:
    found = scalars(
        [told("loss", step=5, loss=2.0), told("loss", step=6, loss=1.5), told("loss", step=5, loss=1.0)]
    )
    assert [(point.step, point.value) for point in found] == [(5, 1.0), (6, 1.5)]


@pytest.mark.parametrize(
    "data",
    [
        {"step": 1, "loss": "<b>"},
        {"step": 1, "loss": True},
        {"step": 1, "loss": 10**400},
        {"step": 2**63, "loss": 1.0},
        {"step": -1, "loss": 1.0},
        {"step": 1.5, "loss": 1.0},
        {"step": True, "loss": 1.0},
        {"loss": 1.0},
    ],
    ids=str,
)
def test_what_a_host_says_that_has_no_place_on_a_chart_is_left_out(data: dict[str, Any]) -> None:
    assert scalars([told("loss", **data)]) == []
    assert len(scalars([told("loss", **data), told("loss", step=2, loss=1.0)])) == 1


def test_a_time_that_cannot_be_read_is_that_of_the_event_before() -> None:
    first = told("loss", step=1, loss=1.0)
    later = first.model_copy(update={"time": "yesterday", "data": {"step": 2, "loss": 1.0}})
    assert {point.time for point in scalars([first, later])} == {1795426260.0}


def test_a_run_that_has_told_no_loss_and_a_library_that_is_missing_are_told(
    inv: Inv, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.events.write_text(json.dumps(events()[0]) + "\n")
    said = inv("curves", "--run", RUN_ID)
    assert said.code == 2
    assert f"run {RUN_ID} has told no loss yet" in said.err
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    said = inv("curves", "--run", RUN_ID)
    assert said.code == 2
    assert "uv sync --inexact --extra trackers" in said.err
