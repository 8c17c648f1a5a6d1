"""Where a base model's tokenizer is, and its chat template."""

import json
from pathlib import Path

import pytest

from tunewright.contract.base_tokenizer import chat_template, special_tokens, tokenizer_folder
from tunewright.contract.errors import UserError


def test_the_embedded_model_brings_a_template() -> None:
    folder = tokenizer_folder("embedded:tiny", None)
    assert folder is not None
    assert "{%" in chat_template(folder)


def test_a_model_of_the_hub_is_looked_for_in_its_cache_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "models--org--name" / "snapshots" / ("a" * 40)
    kept.mkdir(parents=True)
    assert tokenizer_folder("org/name", "a" * 40) is None
    (kept / "tokenizer.json").write_text("{}")
    assert tokenizer_folder("org/name", "a" * 40) == kept
    assert tokenizer_folder("org/name", "b" * 40) is None


def test_a_template_stands_in_a_file_or_in_the_config_alone_or_among_several(tmp_path: Path) -> None:
    assert chat_template(tmp_path) == ""
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"chat_template": "one"}))
    assert chat_template(tmp_path) == "one"
    several = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    config.write_text(json.dumps({"chat_template": several}))
    assert chat_template(tmp_path) == "d"
    (tmp_path / "chat_template.jinja").write_text("file")
    assert chat_template(tmp_path) == "file"


def test_special_tokens_are_written_as_text_or_with_their_flags(tmp_path: Path) -> None:
    assert special_tokens(tmp_path) == {}
    config = {
        "bos_token": {"content": "<s>", "lstrip": False},
        "eos_token": "</s>",
        "unk_token": None,
        "legacy": 1,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert special_tokens(tmp_path) == {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer_config.json").write_bytes(content)
    for read in (chat_template, special_tokens):
        with pytest.raises(UserError, match=r"tokenizer_config\.json cannot be read"):
            read(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"chat_template\.jinja cannot be read"):
        chat_template(tmp_path)
