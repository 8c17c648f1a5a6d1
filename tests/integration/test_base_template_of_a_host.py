"""A base that only the host has: its tokenizer and chat template are brought before anything is prepared."""

from pathlib import Path

import pytest

from tests.support.chat_templates import text_of
from tests.support.gguf_file import metadata, write_gguf
from tests.support.random_qwen3 import write_tokenizer
from tunewright.cli import base_files, plan_model
from tunewright.cli.base_files import find_template, template_on
from tunewright.cli.inputs import prepare_inputs
from tunewright.cli.plan_model import Unknown
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.remote.host import open_host

COMMIT = "0123456789" * 4


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's home is one folder, this machine's cache another, and the hub says nothing."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(base_files, "WORK", tmp_path / "work")
    monkeypatch.setattr(plan_model, "fetch", no_hub)


def no_hub(repository: str, revision: str, file: str) -> bytes:
    raise Unknown(f"{repository}: no hub")


def recipe(base: str, revision: str | None = None) -> Recipe:
    return Recipe.model_validate({"name": "test", "model": {"base": base, "revision": revision}})


@pytest.mark.usefixtures("away")
def test_a_hub_model_of_the_host_s_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = tmp_path / "home/.cache/huggingface/hub/models--a--b/snapshots" / COMMIT
    write_tokenizer(snapshot, text_of("llama31"))
    found = find_template(recipe("a/b", COMMIT), "local")
    assert found
    assert found.support.one_call
    assert found.encoder
    assert found.encoder.count("system user") > 0
    assert "brought the tokenizer of a/b on local" in capsys.readouterr().err
    assert find_template(recipe("a/b", COMMIT), "local") is not None
    assert not capsys.readouterr().err, "brought once"
    assert find_template(recipe("a/b", COMMIT[::-1]), "local") is None, "another commit is another model"


@pytest.mark.usefixtures("away")
def test_a_hub_model_that_is_nowhere_yet_is_asked_for_at_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tokenizer(tmp_path / "hub", text_of("qwen25"))
    asked: list[str] = []

    def hub(repository: str, revision: str, file: str) -> bytes:
        asked.append(f"{repository}@{revision}/{file}")
        try:
            return (tmp_path / "hub" / file).read_bytes()
        except FileNotFoundError as error:
            raise Unknown(file) from error

    monkeypatch.setattr(plan_model, "fetch", hub)
    found = find_template(recipe("a/b", COMMIT), "local")
    assert found
    assert found.support.native
    assert asked[0] == f"a/b@{COMMIT}/tokenizer.json"


@pytest.mark.usefixtures("away")
def test_a_gguf_file_of_the_host(tmp_path: Path) -> None:
    for name, native in (("smollm2", False), ("qwen25", True)):
        values = metadata() | {"tokenizer.chat_template": text_of(name)}
        write_gguf(tmp_path / "home" / f"{name}.gguf", values)
        found = find_template(recipe(f"embedded:gguf:~/{name}.gguf"), "local")
        assert found
        assert found.support.native == native
        assert found.encoder is None
    write_gguf(tmp_path / "home" / "none.gguf", {k: v for k, v in metadata().items() if "template" not in k})
    assert find_template(recipe("embedded:gguf:~/none.gguf"), "local") is None


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    ("file", "says"), [("gone.gguf", r"no file .*gone\.gguf on local"), ("text.gguf", "not a GGUF file")]
)
def test_a_gguf_file_that_is_none_is_told(file: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "home" / "text.gguf").write_text("a text of some length")
    with pytest.raises(UserError, match=says):
        find_template(recipe(f"embedded:gguf:~/{file}"), "local")


@pytest.mark.usefixtures("away")
def test_rows_with_tools_for_a_template_that_nobody_knows_stop_before_anything_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunewright.cli import inputs

    monkeypatch.setattr(inputs, "WORK", tmp_path / "work")
    turns = [{"role": "user", "content": "Go {n}"}, {"role": "assistant", "content": "No. {n}"}]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}

    def rows(**more: object) -> list[dict[str, object]]:
        return [
            {"messages": [{**turn, "content": turn["content"].format(n=n * 7919)} for turn in turns], **more}
            for n in range(20)
        ]

    write_jsonl(tmp_path / "words.jsonl", rows())
    write_jsonl(tmp_path / "tools.jsonl", rows(tools=[tool]))
    unknown = recipe("a/b", COMMIT)
    assert prepare_inputs(unknown, tmp_path / "words.jsonl").folder.is_dir()
    with pytest.raises(UserError, match=r"the chat template of a/b is neither here nor on local") as caught:
        prepare_inputs(unknown, tmp_path / "tools.jsonl")
    assert f"hf download a/b --revision {COMMIT}" in caught.value.hint


@pytest.mark.sshd
def test_over_ssh(host_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_files, "WORK", tmp_path / "work")
    write_tokenizer(tmp_path / "model", text_of("gptoss"))
    gguf = write_gguf(tmp_path / "a.gguf", metadata() | {"tokenizer.chat_template": text_of("qwen25")})
    with open_host(host_name, tmp_path) as host:
        found = template_on(recipe(str(tmp_path / "model")), host)
        assert found
        assert found.support.one_call
        of_file = template_on(recipe(f"embedded:gguf:{gguf}"), host)
        assert of_file
        assert of_file.support.native
