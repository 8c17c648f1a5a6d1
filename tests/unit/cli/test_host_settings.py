"""Which recipe a task takes when none is named: the host's in hosts.toml, else the default, and it is said."""

from pathlib import Path

import pytest

from tunewright.cli import host_settings as module
from tunewright.cli.host_settings import choose_recipe, host_settings
from tunewright.cli.pipeline import DEFAULT_RECIPE
from tunewright.contract.errors import UserError

FILE = '[mac-studio]\nrecipe = "qwen3-8b"\n\n["mac.local"]\nrecipe = "qwen3-4b"\n\n[bare]\n'


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "hosts.toml"
    monkeypatch.setattr(module, "HOSTS", path)
    return path


def test_the_hosts_recipe_is_taken_and_said(hosts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts.write_text(FILE)
    assert choose_recipe("", "mac-studio") == "qwen3-8b"
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "qwen3-8b" in said
    assert "hosts.toml" in said
    assert "--recipe" in said
    assert choose_recipe("", "mac.local") == "qwen3-4b"


@pytest.mark.parametrize("host", ["local", "bare", "mac-studi"])
def test_a_host_without_one_takes_the_default_and_says_how_to_change_it(
    hosts: Path, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.write_text(FILE)
    assert choose_recipe("", host) == DEFAULT_RECIPE
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f'[{host}] recipe = "NAME"' in said


def test_what_the_user_names_goes_first_and_needs_no_word(
    hosts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts.write_text("this is not TOML")
    assert choose_recipe("mine", "mac-studio") == "mine"
    assert capsys.readouterr().err == ""


def test_without_the_file_every_host_takes_the_default(hosts: Path) -> None:
    assert not hosts.exists()
    assert choose_recipe("", "mac-studio") == DEFAULT_RECIPE


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[mac]\nrecepie = 'x'\n", "mac.recepie: no such key"),
        ("[mac]\nrecipe = 3\n", "mac.recipe: "),
        ("mac = 'x'\n", "mac: "),
        ("[mac\n", "cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(hosts: Path, text: str, says: str) -> None:
    hosts.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=says) as caught:
        host_settings("mac")
    assert caught.value.message.startswith(str(hosts))
    assert caught.value.hint


def test_the_default_is_a_recipe_that_is_shipped() -> None:
    assert (Path(__file__).parents[3] / "recipes" / f"{DEFAULT_RECIPE}.toml").is_file()
