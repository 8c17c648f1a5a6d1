"""A user's own tools may hang, die or return nonsense: that costs a row and is told."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tunewright.datagen.helper_process import Worker, WorkerDied
from tunewright.datagen.own_tools import LIVES, OwnTools
from tunewright.datagen.rejections import Rejected

FILE = """
import os, sys, time
from pydantic import BaseModel, Field, computed_field

class R(BaseModel):
    value: int

class Named(BaseModel):
    value: int = Field(alias="theValue")
    model_config = {"extra": "forbid"}

    @computed_field
    @property
    def twice(self) -> int:
        return self.value * 2

class More(R):
    extra: str = "not promised"

class Number(BaseModel):
    value: float

def good(path: str) -> R:
    print("to the terminal", flush=True)
    sys.stdin.read()
    return R(value=len(path))

def named(path: str) -> Named:
    return Named(theValue=len(path))

def more(path: str) -> R:
    return More(value=len(path))

def place(root, path: str) -> R:
    return R(value=len(str(root / path)))

def slow(path: str) -> R:
    time.sleep(1000)

def dies(path: str) -> R:
    os._exit(3)

def leaves(path: str) -> R:
    sys.exit("enough")

def raises(path: str) -> R:
    raise RuntimeError("boom\\nand more")

def loose(path: str) -> R:
    return {"value": 1}

def none(path: str) -> R:
    pass

def wrong(path: str) -> R:
    return R.model_construct(value="x")

def endless(path: str) -> Number:
    return Number(value=float("nan"))
"""
NAMES = (
    "good",
    "named",
    "more",
    "place",
    "slow",
    "dies",
    "leaves",
    "raises",
    "loose",
    "none",
    "wrong",
    "endless",
)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnTools]:
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    tools = OwnTools(file, NAMES, seconds=60)
    yield tools
    tools.close()


@contextmanager
def impatient(own: OwnTools, *, when: bool = True) -> Generator[None]:
    """A call may take half a second; too little for a good one on a busy machine."""
    patient, own.seconds = own.seconds, 0.5 if when else own.seconds
    try:
        yield
    finally:
        own.seconds = patient


def test_results_are_plain_values_as_the_models_promise(own: OwnTools) -> None:
    tools = own.bound(Path("/r"))
    assert tools["good"](path="abc") == {"value": 3}
    assert tools["good"](path="a") == {"value": 1}
    assert tools["named"](path="abc") == {"value": 3, "twice": 6}
    assert tools["more"](path="abc") == {"value": 3}
    assert tools["place"](path="a") == {"value": len("/r/a")}


@pytest.mark.parametrize(
    ("tool", "reason", "detail"),
    [
        ("slow", "slow took longer than 0.5 seconds", ""),
        ("dies", "dies ended its process", ""),
        ("leaves", "leaves raised SystemExit", "enough"),
        ("raises", "raises raised RuntimeError", "boom and more"),
        ("loose", "loose returned dict, not R", ""),
        ("none", "none returned NoneType, not R", ""),
        ("wrong", "wrong returned a R with wrong values", "1 validation error for R"),
        ("endless", "endless returned a Number with wrong values", "not JSON compliant"),
    ],
)
def test_a_tool_without_a_result_says_why_and_the_next_call_works(
    own: OwnTools, tool: str, reason: str, detail: str
) -> None:
    tools = own.bound(Path("/r"))
    with pytest.raises(Rejected) as failed, impatient(own, when=tool == "slow"):
        tools[tool](path="abc")
    assert str(failed.value) == reason
    assert detail in failed.value.detail
    assert tools["good"](path="abc") == {"value": 3}


def test_a_tool_that_hangs_every_time_is_soon_called_no_more(
    own: OwnTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object) -> None:
        pytest.fail("it was called")

    tools = own.bound(Path("/r"))
    for _ in range(LIVES):
        with pytest.raises(Rejected, match="took longer"), impatient(own):
            tools["slow"](path="a")
    with monkeypatch.context() as patch:
        patch.setattr(own._worker, "ask", ask)  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(Rejected, match="slow is given up") as given_up:
            tools["slow"](path="a")
    assert given_up.value.detail == f"took longer than 0.5 seconds, {LIVES} times"
    assert tools["good"](path="abc") == {"value": 3}


def test_a_file_that_cannot_be_loaded_again_is_told(tmp_path: Path) -> None:
    tools = OwnTools(tmp_path / "gone.py", ["good"])
    with pytest.raises(Rejected, match="good ended its process"):
        tools.bound(tmp_path)["good"](path="a")


def test_a_worker_that_is_no_module_dies_and_close_is_harmless() -> None:
    worker = Worker("tunewright.datagen.no_such_worker")
    for _ in range(2):
        with pytest.raises(WorkerDied):
            worker.ask({}, 5)
    worker.close()
