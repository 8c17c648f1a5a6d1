"""A recipe's lock: one commit, its files, and nothing that a hub or a hand may have put there wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import COMMIT, REPOSITORY, Hub, entry, open_hub
from tunewright.contract.base_lock import is_model_file, lock_path, read_lock, write_lock
from tunewright.contract.errors import UserError
from tunewright.contract.hub import hub_endpoint, resolve_base
from tunewright.contract.recipe import load_recipe

RECIPE = f'schema = 1\nname = "mine"\n[model]\nbase = "{REPOSITORY}"\n'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with open_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield hub


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.v1.toml"
    path.write_text(RECIPE)
    return path


def test_a_lock_comes_back_as_it_was_written_and_pins_the_recipe(hub: Hub, recipe: Path) -> None:
    assert not load_recipe(str(recipe)).model.pinned
    lock = resolve_base(REPOSITORY)
    write_lock(lock_path(recipe), lock)
    assert lock_path(recipe).name == "mine.v1.lock"
    assert read_lock(lock_path(recipe), REPOSITORY) == lock
    assert load_recipe(str(recipe)).model.revision == COMMIT
    assert [file.name for file in lock.files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert lock.size == sum(len(hub.files[file.name]) for file in lock.files)


def test_the_recipes_own_revision_goes_before_the_lock(hub: Hub, recipe: Path) -> None:
    write_lock(lock_path(recipe), resolve_base(REPOSITORY))
    recipe.write_text(RECIPE + f'revision = "{"f" * 40}"\n')
    assert load_recipe(str(recipe)).model.revision == "f" * 40


def test_a_lock_of_another_repository_is_told(hub: Hub, recipe: Path) -> None:
    write_lock(lock_path(recipe), resolve_base(REPOSITORY))
    recipe.write_text(RECIPE.replace(REPOSITORY, "somebody/another"))
    with pytest.raises(
        UserError, match="belongs to somebody/a-model, and the recipe names somebody/another"
    ) as caught:
        load_recipe(str(recipe))
    assert f"rm {lock_path(recipe)}" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema = 1", "schema = 2"),
        (COMMIT, COMMIT[:-1]),
        (COMMIT, "main"),
        ('"config.json"', '"../config.json"'),
        ('"config.json"', '"sub/config.json"'),
        ('"config.json"', '"modeling.py"'),
        ("size = ", "size = -"),
        ("sha256 = ", "sha512 = "),
        ("git = ", "sha256 = "),
        ("files = [", "files = ["),  # and then cut
        ("schema = 1", "schema = "),
    ],
)
def test_a_garbled_lock_is_told_in_a_line(hub: Hub, recipe: Path, old: str, new: str) -> None:
    path = lock_path(recipe)
    write_lock(path, resolve_base(REPOSITORY))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if old != new else text[: text.index(old) + len(old)])
    with pytest.raises(UserError) as caught:
        load_recipe(str(recipe))
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message
    assert "Delete it" in caught.value.hint


def test_bytes_that_are_no_text_and_a_lock_without_files_are_told(recipe: Path) -> None:
    lock_path(recipe).write_bytes(b"\xff\xfe\0")
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(str(recipe))
    lock_path(recipe).write_text(f'schema = 1\nrepository = "{REPOSITORY}"\nrevision = "{COMMIT}"\n')
    with pytest.raises(UserError, match="names no files"):
        load_recipe(str(recipe))


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("config.json", True),
        ("model-00001-of-00004.safetensors", True),
        ("chat_template.jinja", True),
        ("tokenizer.model", True),
        ("merges.txt", True),
        ("modeling_qwen.py", False),
        ("pytorch_model.bin", False),
        ("model.safetensors.py", False),
        ("original/model.safetensors", False),
        ("consolidated.safetensors", False),
        ("../config.json", False),
        ("model.pt", False),
        ("model.PY", False),
    ],
)
def test_only_data_belongs_to_a_model(name: str, taken: bool) -> None:
    assert is_model_file(name) is taken


@pytest.mark.parametrize("path", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "..\\evil.json"])
def test_a_hub_that_lists_a_path_outside_is_not_believed(hub: Hub, path: str) -> None:
    hub.listed = [entry(path, b"{}")]
    with pytest.raises(UserError, match="outside the repository"):
        resolve_base(REPOSITORY)


@pytest.mark.parametrize(
    "path",
    ["evil.py", "original/config.json", ".hidden.json", 'x"\nrevision = "y.json', "a b.json", "\u202ea.json"],
)
def test_code_folders_and_odd_names_that_a_hub_lists_are_left_there(hub: Hub, path: str) -> None:
    honest = resolve_base(REPOSITORY)
    hub.listed = [entry(path, b"{}")]
    assert resolve_base(REPOSITORY) == honest


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "file", "path": "extra.json", "size": -1, "oid": "0" * 40},
        {"type": "file", "path": "extra.json", "size": 3, "oid": "$(rm -r /)"},
        {"type": "file", "path": "config.json", "size": 3, "oid": "0" * 40},
        {"type": "file", "path": "no_size.json"},
    ],
)
def test_an_entry_that_cannot_be_true_is_told(hub: Hub, wrong: dict[str, object]) -> None:
    hub.listed = [wrong]
    with pytest.raises(UserError) as caught:
        resolve_base(REPOSITORY)
    assert "\n" not in caught.value.message


def test_a_commit_that_is_none_and_another_commit_than_asked_are_told(hub: Hub) -> None:
    hub.commit = "main"
    with pytest.raises(UserError):
        resolve_base(REPOSITORY)
    hub.commit = COMMIT
    with pytest.raises(UserError):
        resolve_base(REPOSITORY, "e" * 40)


def test_a_repository_without_weights_is_no_model(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(UserError, match="not a model that can be trained"):
        resolve_base(REPOSITORY)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "", "HTTP 401"),
        (401, "RepoNotFound", "no such model"),
        (403, "GatedRepo", "licence"),
        (404, "RepoNotFound", "no such model"),
    ],
)
def test_a_hub_that_refuses_is_told(hub: Hub, status: int, code: str, words: str) -> None:
    hub.status, hub.error_code = status, code
    with pytest.raises(UserError, match=words) as caught:
        resolve_base(REPOSITORY)
    assert caught.value.hint


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="could not be reached") as caught:
        resolve_base(REPOSITORY)
    assert "network" in caught.value.hint


@pytest.mark.parametrize(
    "address", ["http://hub.example", "ftp://127.0.0.1", "file:///etc", "http://127.0.0.1.evil.io"]
)
def test_only_https_is_asked_or_this_machine(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(UserError, match="only https"):
        hub_endpoint()
