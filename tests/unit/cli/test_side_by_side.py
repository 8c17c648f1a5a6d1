"""The same work on several hosts at once."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from tunewright.cli.hosts import check_several
from tunewright.cli.side_by_side import hosts_named, on_each, table, worst
from tunewright.contract.console import say
from tunewright.contract.errors import HostError, UserError
from tunewright.remote.preflight import HostFinding

CODES = st.sampled_from([0, 1, 2, 3, 4])


def test_all_work_at_the_same_time_and_each_answer_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    together = threading.Barrier(4, timeout=20)  # three hosts, and what is done here meanwhile

    def work(host: str) -> str:
        together.wait()
        say("one line\nand another")
        if host == "b":
            raise HostError("b is away", "Switch it on.")
        return host.upper()

    a, b, c = on_each(["a", "b", "c"], work, together.wait)
    assert (a, c) == ("A", "C")
    assert isinstance(b, HostError)
    assert b.message == "b is away"
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == [f"{host}  {line}" for host in "abc" for line in ("and another", "one line")]
    say("nobody's")
    assert capsys.readouterr().err == "nobody's\n"


def test_a_bug_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        on_each(["a", "b"], lambda host: 1 // (host == "a"))


def test_an_interrupt_waits_for_nobody() -> None:
    never = threading.Event()

    def interrupted() -> None:
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            on_each(["a", "b"], lambda _: never.wait(60), interrupted)
    finally:
        never.set()


def test_a_host_is_named_once() -> None:
    assert hosts_named([]) == ["local"]
    assert hosts_named(["b", "a"]) == ["b", "a"]
    with pytest.raises(UserError, match="--host a is given twice"):
        hosts_named(["a", "b", "a"])


@given(st.lists(CODES))
def test_the_worst_code_is_among_them_and_nothing_is_hidden(codes: list[int]) -> None:
    code = worst(codes)
    assert code in (codes or [0])
    assert (code == 0) == (not any(codes))
    assert worst([*codes, 2]) == 2
    assert worst(reversed(codes)) == code


def test_a_host_that_fails_is_worse_than_a_gate() -> None:
    assert [worst([3, 1]), worst([1, 4]), worst([0, 3])] == [1, 4, 3]


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table([("host", "run"), ("mac-studio", "-"), ("b", "20261129")]) == (
        "host        run\nmac-studio  -\nb           20261129"
    )


def test_the_table_of_several_hosts_as_a_whole(
    capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    def look(host: str) -> list[HostFinding]:
        if host == "away":
            raise HostError("away does not answer", "Switch it on.")
        sleep = HostFinding("sleep", "warn", "sleeps after 10 minutes", "sudo pmset -c sleep 0")
        return [HostFinding("uv", "pass", "uv 0.13.9"), *([sleep] if host == "mac-studio" else [])]

    check_several(["mac-studio", "lab", "away"], look)
    assert capsys.readouterr().out == snapshot
