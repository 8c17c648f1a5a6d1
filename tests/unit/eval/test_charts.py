"""Charts are well-formed SVG that say what the numbers say."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.contract.run import Event
from tunewright.eval.charts import loss_chart, nice_step, share_bars
from tunewright.eval.history import read_history
from tunewright.eval.statistics import Proportion

POINTS = st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 1e6)), max_size=30)


@given(POINTS, POINTS)
def test_any_losses_give_a_drawing_inside_its_frame(
    training: list[tuple[int, float]], validation: list[tuple[int, float]]
) -> None:
    chart = loss_chart(sorted(training), sorted(validation))
    if chart is None:
        assert max(len(training), len(validation)) < 2
        return
    tree = ET.fromstring(chart.svg)
    for line in tree.iter("polyline"):
        for x, y in (pair.split(",") for pair in line.attrib["points"].split()):
            assert 0 <= float(x) <= 1000
            assert 0 <= float(y) <= 300
    assert chart.losses[-1].strip("0.") == ""
    assert chart.steps[0] == "0"


def test_each_validation_is_a_dot_with_its_value() -> None:
    chart = loss_chart([(10, 2.0), (20, 1.0)], [(0, 2.5), (20, 1.25)])
    assert chart is not None
    assert "validation loss 1.250 after step 20" in chart.svg
    assert chart.losses == ("3", "2", "1", "0")
    assert chart.steps == ("0", "5", "10", "15", "20")


@given(st.integers(0, 50), st.integers(0, 50), st.booleans(), st.none() | st.floats(0, 1))
def test_bars_are_as_long_as_their_shares(a: int, b: int, with_base: bool, target: float | None) -> None:
    share = Proportion(min(a, b), max(a, b))
    tree = ET.fromstring(share_bars(share, share if with_base else None, target))
    bars = list(tree.iter("rect"))
    assert len(bars) == 1 + with_base
    assert {float(bar.attrib["width"]) for bar in bars} == {round(1000 * share.value, 1)}
    assert len(list(tree.iter("title"))) >= 1
    assert str(share) in tree.attrib["aria-label"]


@pytest.mark.parametrize(
    ("rough", "nice"), [(0.013, 0.02), (1, 1), (3, 5), (7, 10), (0.5, 0.5), (0, 1), (-1, 1)]
)
def test_axes_count_in_ones_twos_and_fives(rough: float, nice: float) -> None:
    assert nice_step(rough) == pytest.approx(nice)


def event(kind: str, stage: str = "train", **data: object) -> Event:
    return Event(seq=1, time="", stage=stage, kind=kind, data=data)


def test_a_step_that_a_resumed_run_repeats_counts_once() -> None:
    history = read_history(
        [
            event("loss", step=10, loss=2.0, tokens=100),
            event("loss", step=20, loss=1.5, tokens=200),
            event("loss", step=20, loss=1.4, tokens=200, peak_memory=5),
            event("validation", step=20, loss=1.6),
            event("stage_end", seconds=4.0),
            event("stage_end", seconds=6.0),
            event("stage_reused", stage="fuse"),
            event("warning", message="hm"),
            event("loss", step=None, loss="nonsense"),
            event("loss", step=30, loss=float("nan")),
        ]
    )
    assert history.training == ((10, 2.0), (20, 1.4))
    assert history.validation == ((20, 1.6),)
    assert history.seconds == (("train", 10.0),)
    assert (history.reused, history.tokens, history.peak_memory) == (("fuse",), 200, 5)
    assert history.warnings == ("hm",)


def test_no_events_make_no_chart() -> None:
    history = read_history([])
    assert loss_chart(history.training, history.validation) is None
    assert history.minutes == 0


def test_a_drawing_holds_no_letters_but_its_titles() -> None:
    """Letters would be stretched with the drawing."""
    assert not re.search(r"<text", share_bars(Proportion(3, 4), None))
