"""Names from a host stay inside their folder, and stay apart."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tunewright.contract.errors import HostError
from tunewright.remote.safe_paths import safe_names, safe_relative


@given(st.text(max_size=40))
@example("../x")
@example("a/../../x")
@example("/etc/passwd")
@example("a\0b")
@example("..")
@example("ünïcode/€.jsonl")
@example("\u202egnp.exe")
def test_a_name_is_refused_or_stays_inside(name: str) -> None:
    try:
        path = safe_relative(name)
    except HostError:
        return
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / path
        assert Path(os.path.normpath(target)).is_relative_to(folder)
        assert os.path.normpath(target) == str(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"")
        assert str(path) == name


@pytest.mark.parametrize("name", ["a.json", "base/navigation.jsonl", "model-00001-of-00004.safetensors", "ä"])
def test_what_a_run_makes_is_accepted(name: str) -> None:
    assert str(safe_relative(name)) == name


@pytest.mark.parametrize("name", ["", "/", ".", "a/", "/a", "a\\b", "a\nb", "x" * 256, "\x1b[2J"])
def test_what_could_do_harm_is_not(name: str) -> None:
    with pytest.raises(HostError, match="does not stay in its folder"):
        safe_relative(name)


@pytest.mark.parametrize(
    "names",
    [
        ("a", "A"),
        ("x/straße", "x/STRASSE"),
        ("e\u0301", "\u00e9"),
        ("A/one", "a/two"),
        ("a", "a/b"),
        ("A", "a/b"),
    ],
)
def test_names_that_are_one_on_a_mac_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(HostError, match="the host names"):
        safe_names(names)


def test_names_that_differ_are_fine() -> None:
    names = ("a", "b/a", "b/c", "b.c", "manifest.json")
    assert [str(path) for path in safe_names(names).values()] == list(names)
