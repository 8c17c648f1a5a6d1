"""A run, drawn."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.remote_runs import small_recipe
from tunewright.contract.run import Event
from tunewright.remote.progress import describe, show_events, show_side_by_side


def event(kind: str, stage: str = "train", /, **data: object) -> Event:
    return Event(seq=1, time="2026-11-23T00:00:00+00:00", stage=stage, kind=kind, data=data)


RUN = [
    event("stage_start", total=600, step=0),
    event("progress", step=10, total=600, seconds_left=4000),
    event("loss", step=10, loss=2.5, tokens_per_second=1234.5),
    event("validation", step=100, loss=1.25),
    event("warning", message="the disk [is] slow", hint="Wait."),
    event("checkpoint", step=100),
    event("stage_end", seconds=3725.0, facts={}),
    event("stage_reused", "fuse"),
    event("done", ""),
]


def test_each_event_is_a_line_a_person_can_read() -> None:
    assert [describe(each) for each in RUN] == [
        "train     starts, 600 steps",
        "train     10 of 600, about 1:06:40 left",
        "train     step 10: loss 2.500, 1,234 tokens/s",
        "train     step 100: validation loss 1.250",
        "train     warning: the disk [is] slow. Wait.",
        None,
        "train     done in 1:02:05",
        "fuse      done before, with the same inputs",
        None,
    ]


def test_plain_lines_come_every_few_seconds_and_miss_no_change() -> None:
    now = [0.0]

    def events() -> Iterator[Event]:
        yield event("stage_start", total=100, step=0)
        for step in range(100):
            now[0] += 0.5
            yield event("progress", step=step, total=100, seconds_left=None)
        yield event("error", message="the disk is full", hint="Make room.")

    stream = io.StringIO()
    show_events(events(), small_recipe(), terminal=False, stream=stream, clock=lambda: now[0])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "train     starts, 100 steps"
    assert lines[-1] == "train     error: the disk is full. Make room."
    assert 10 <= len(lines) - 2 <= 11
    assert "\x1b" not in stream.getvalue()


def test_bars_show_stages_losses_and_what_went_wrong() -> None:
    stream = io.StringIO()
    show_events(iter(RUN), small_recipe(), terminal=True, stream=stream)
    text = stream.getvalue()
    for part in ("train", "600/600", "the disk [is] slow", "done before"):
        assert part in text


AGAIN = [*RUN[:2], event("stage_start", total=600, step=300), event("progress", step=301, total=600)]


def test_a_stage_that_starts_again_has_one_bar() -> None:
    stream = io.StringIO()
    show_events(iter(AGAIN), small_recipe(), terminal=True, stream=stream)
    assert "301/600" in stream.getvalue()


def test_runs_on_several_hosts_share_one_display() -> None:
    heard = [(host, each) for each in RUN for host in ("a", "mac-b")] + [
        ("a", "pulled train: 2 files, 9.0 MB")
    ]
    stream = io.StringIO()
    show_side_by_side(iter(heard), ["a", "mac-b"], terminal=False, stream=stream, clock=lambda: 0.0)
    lines = stream.getvalue().splitlines()
    for host in ("a    ", "mac-b"):
        own = [line.removeprefix(f"{host}  ") for line in lines if line.startswith(host)]
        assert own[:3] == [
            "train     starts, 600 steps",
            "train     10 of 600, about 1:06:40 left",
            "train     step 100: validation loss 1.250",
        ]
    assert lines[-1] == "a      pulled train: 2 files, 9.0 MB"
    stream = io.StringIO()
    show_side_by_side(iter(heard), ["a", "mac-b"], terminal=True, stream=stream)
    for part in ("600/600", "mac-b  train     warning: the disk [is] slow. Wait.", "pulled train"):
        assert part in stream.getvalue()


def test_a_host_that_starts_a_stage_again_keeps_its_bar() -> None:
    stream = io.StringIO()
    show_side_by_side(iter(("a", each) for each in AGAIN), ["a"], terminal=True, stream=stream)
    assert "301/600" in stream.getvalue()


def test_an_error_in_the_middle_passes_through() -> None:
    def broken() -> Iterator[Event]:
        yield RUN[0]
        raise KeyboardInterrupt

    for terminal in (True, False):
        with pytest.raises(KeyboardInterrupt):
            show_events(broken(), small_recipe(), terminal=terminal, stream=io.StringIO())


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        show_events(iter(RUN), small_recipe(), stream=file)
    assert "\x1b" not in (tmp_path / "log").read_text()


def test_a_host_cannot_steer_the_terminal() -> None:
    made = event("warning", "tr\x1b[2Jain", message="\x1b]0;title\x07", hint="\x9b31m")
    line = describe(made)
    assert line is not None
    assert not [c for c in line if not c.isprintable()]


VALUES = st.one_of(
    st.none(), st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), st.integers()
)
KINDS = st.sampled_from([each.kind for each in RUN] + ["error", "cancelled", "something new"])


@given(KINDS, st.dictionaries(st.sampled_from(["step", "total", "loss", "seconds", "seconds_left", "message",
                                               "hint", "tokens_per_second"]), VALUES))  # fmt: skip
def test_events_of_other_versions_are_drawn_too(kind: str, data: dict[str, object]) -> None:
    made = Event(seq=1, time="", stage="train", kind=kind, data=data)
    for terminal in (True, False):
        show_events(iter([RUN[0], made]), small_recipe(), terminal=terminal, stream=io.StringIO())
        heard = [("a", RUN[0]), ("a", made)]
        show_side_by_side(iter(heard), ["a"], terminal=terminal, stream=io.StringIO())
