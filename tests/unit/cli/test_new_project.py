"""A folder for an installed copy to work in, and what a release puts into its wheels."""

import subprocess
from pathlib import Path

import pytest

from tests.support.commands import front
from tunewright.cli.new_project import STARTER, make_project
from tunewright.cli.release_wheels import tracked_files
from tunewright.contract.console import spell_commands
from tunewright.contract.errors import UserError


@pytest.fixture
def starter(tmp_path: Path) -> Path:
    folder = tmp_path / "starter"
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes" / "tiny.toml").write_text("# ./inv train\n")
    (folder / "README.md").write_text((STARTER / "README.md").read_text())
    return folder


def test_a_project_has_the_starters_files_and_names_the_next_commands(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.contract.console._spellings", [])
    spell_commands(("./inv ", "tunewright "))
    make_project(tmp_path / "deep" / "mine", starter)
    made = tmp_path / "deep" / "mine"
    assert sorted(path.name for path in made.iterdir()) == ["README.md", "recipes"]
    assert (made / "recipes" / "tiny.toml").read_text() == "# ./inv train\n", "recipes stay as they are"
    readme = (made / "README.md").read_text()
    assert "\ntunewright plan " in readme
    assert "\ntunewright train " in readme
    assert "./inv" not in readme


@pytest.mark.parametrize("what", ["a folder", "an empty folder", "a file", "a link to nowhere"])
def test_what_exists_is_not_touched(starter: Path, tmp_path: Path, what: str) -> None:
    place = tmp_path / "mine"
    if what == "a file":
        place.write_text("mine")
    elif what == "a link to nowhere":
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.mkdir()
    if what == "a folder":
        (place / "recipes").mkdir()
        (place / "recipes" / "tiny.toml").write_text("mine")
    before = sorted((path, path.is_file() and path.read_text()) for path in tmp_path.rglob("*"))
    with pytest.raises(UserError, match="mine exists"):
        make_project(place, starter)
    assert sorted((path, path.is_file() and path.read_text()) for path in tmp_path.rglob("*")) == before
    assert place.is_symlink() == (what == "a link to nowhere")


def test_a_file_on_the_way_is_told(starter: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="mine cannot be made"):
        make_project(tmp_path / "file" / "mine", starter)


def test_a_plain_build_has_nothing_to_put_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="built without recipes and suites"):
        make_project(tmp_path / "mine", STARTER)
    assert not (tmp_path / "mine").exists()


def test_a_checkout_needs_no_project(tmp_path: Path) -> None:
    done = front("new", tmp_path / "mine")
    assert done.returncode == 2
    assert "a checkout has recipes and suites already" in done.stderr
    assert not (tmp_path / "mine").exists()


def test_only_what_git_tracks_is_released(tmp_path: Path) -> None:
    for name in (
        "recipes/ours.toml",
        "recipes/own ünï.toml",
        "recipes/gone.toml",
        "recipes/my.toml",
        "suites/mine.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run(
        [*git, "add", "recipes/ours.toml", "recipes/own ünï.toml", "recipes/gone.toml"], check=True
    )
    (tmp_path / "recipes" / "gone.toml").unlink()
    assert tracked_files(tmp_path, "recipes", "suites") == ["recipes/ours.toml", "recipes/own ünï.toml"]


def test_outside_git_no_release_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="git does not say"):
        tracked_files(tmp_path, "recipes")


def test_a_copy_inside_another_repository_is_no_clone(tmp_path: Path) -> None:
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    (tmp_path / "unpacked" / "recipes").mkdir(parents=True)
    (tmp_path / "unpacked" / "recipes" / "tiny.toml").touch()
    with pytest.raises(UserError, match="git does not say"):
        tracked_files(tmp_path / "unpacked", "recipes")
