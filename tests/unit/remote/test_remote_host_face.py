"""Commands as text, and this machine as a host."""

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewright.contract.errors import HostError, UserError
from tunewright.remote.host import command_line, must, open_host, read_file, run_script
from tunewright.remote.local_host import LocalHost
from tunewright.remote.worker_client import check_id

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(WORDS, max_size=5), WORDS)
def test_a_shell_takes_every_word_and_value_as_it_is(words: list[str], value: str) -> None:
    line = command_line(["/bin/sh", "-c", 'printf "%s\\0" "$VALUE" "$@"', "sh", *words], {"VALUE": value})
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [value, *words]


@pytest.mark.parametrize("name", ["A B", "", "A=B", "$(id)", "1A"])
def test_a_variable_has_a_plain_name(name: str) -> None:
    with pytest.raises(HostError, match="environment variable"):
        command_line(["true"], {name: "x"})


def test_no_word_holds_a_nul() -> None:
    with pytest.raises(HostError, match="NUL"):
        command_line(["echo", "a\0b"])


@pytest.mark.parametrize(
    "run_id", ["../x", "a/b", "", "-x", ".hidden", "a b", "a\nb", "a..b", "$(id)", "x" * 300]
)
def test_what_is_no_run_id_never_becomes_a_path(run_id: str) -> None:
    with pytest.raises(UserError, match="cannot be a run's id"):
        check_id(run_id)


def test_a_local_host_keeps_to_its_checkout(tmp_path: Path) -> None:
    with open_host("local", tmp_path) as host:
        assert host.root == PurePosixPath(tmp_path.resolve()) / ".tunewright" / "host"


def test_the_uv_that_runs_us_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", "/opt/uv")
    assert LocalHost(tmp_path).uv_candidates == ("/opt/uv", str(tmp_path.resolve() / ".tools/bin/uv"))


def test_a_command_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    done = LocalHost(tmp_path).run(["/no/such/program"])
    assert done.code == 127
    with pytest.raises(HostError, match="it failed: /no/such/program"):
        must(done, "it failed")


def test_a_command_that_reads_nothing_may_be_given_much(tmp_path: Path) -> None:
    assert LocalHost(tmp_path).run(["true"], stdin=b"x" * 1_000_000).code == 0


def test_lines_of_standard_error_come_as_they_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    done = LocalHost(tmp_path).run(["/bin/sh", "-c", "echo one >&2; echo; echo two >&2"], on_line=said.append)
    assert said == ["one", "two"]
    assert done.reason == "two"


def test_a_script_sees_its_arguments_and_not_the_shell(tmp_path: Path) -> None:
    done = run_script(LocalHost(tmp_path), 'printf "%s|" "$@"', ["a b", "$(id)", "'"])
    assert done.text == "a b|$(id)|'|"


def test_a_file_is_cut_where_writing_goes_on(tmp_path: Path) -> None:
    host, path = LocalHost(tmp_path), PurePosixPath(tmp_path) / "file"
    assert read_file(host, path) is None
    host.append(path, 0, [b"one", b"two"])
    host.append(path, 3, [b"2"])
    assert read_file(host, path) == b"one2"
    assert read_file(host, path, 3) == b"2"
    assert host.size(path) == 4


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot write"):
        LocalHost(tmp_path).append(PurePosixPath(tmp_path) / "missing" / "file", 0, [b""])


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, tunewright.remote, tunewright.remote.host, tunewright.remote.job;"
        "print([name for name in ('fabric', 'paramiko', 'rich', 'invoke') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
