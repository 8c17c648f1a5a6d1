"""Where a base model comes from, and what is said when it does not come."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.support.random_qwen3 import write_model
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Model
from tunewright.train.base import check_unchanged, find_base, load_folder, model_files


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    base = find_base(Model(base=str(folder), dtype="float32"), tmp_path / "bases")
    assert base.folder == folder
    (folder / "README.md").write_text("not part of the model")
    assert find_base(Model(base=str(folder), dtype="float32"), tmp_path / "bases").identity == base.identity
    (folder / "tokenizer_config.json").write_text("{}")
    assert find_base(Model(base=str(folder), dtype="float32"), tmp_path / "bases").identity != base.identity


def test_a_base_that_changes_under_a_run_is_noticed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    base = find_base(Model(base=str(folder), dtype="float32"), tmp_path / "bases")
    check_unchanged(base)
    config = (folder / "config.json").read_bytes()
    (folder / "config.json").write_bytes(config)
    os.utime(folder / "config.json", ns=(time.time_ns() + 10**9, time.time_ns() + 10**9))
    with pytest.raises(UserError, match="was changed while the run was at work"):
        check_unchanged(base)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model in"):
        find_base(Model(base=str(tmp_path / "nowhere")), tmp_path / "bases")


def test_an_unknown_embedded_model_is_told() -> None:
    with pytest.raises(UserError, match="no embedded model 'huge'"):
        find_base(Model(base="embedded:huge"), Path("bases"))


def test_a_folder_without_weights_or_config_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config\.json"):
        model_files(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no weights"):
        model_files(tmp_path)


def test_code_that_comes_with_a_model_is_neither_loaded_nor_counted(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", model_file="evil.py")
    (folder / "evil.py").write_text("raise SystemExit('it ran')")
    assert all(path.suffix != ".py" for path in model_files(folder))
    with pytest.raises(UserError, match=r"wants to run code of its own \(evil\.py\)"):
        load_folder(folder)


def test_a_tokenizer_that_comes_with_code_is_refused_without_running_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {
        "tokenizer_class": "Evil",
        "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]},
    }
    path.write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    try:
        load_folder(folder)
    except UserError as error:
        assert "trust_remote_code" in str(error) or "code" in str(error)
    assert not (tmp_path / "ran").exists()


def test_an_architecture_that_mlx_lm_does_not_know_is_told(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "abacus"}))
    with pytest.raises(UserError, match="Model type abacus not supported"):
        load_folder(folder)


def test_weights_that_do_not_fit_the_config_are_told(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(UserError, match="arameters"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "BPE", "vocab": 3}}'),
        ("tokenizer_config.json", b"\xff\xfe"),
        ("tokenizer_config.json", b'{"tokenizer_class": 7}'),
        ("config.json", b'{"model_type": "qwen3"}'),
        ("config.json", b'{"model_type": "qwen3", "hidden_size": "wide"}'),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}      "),
        ("model.safetensors", b"not weights"),
    ],
)
def test_a_fault_in_a_models_files_is_its_fault_in_a_line(tmp_path: Path, file: str, content: bytes) -> None:
    folder = write_model(tmp_path / "model")
    (folder / file).write_bytes(content)
    with pytest.raises(UserError) as error:
        load_folder(folder)
    assert str(folder) in error.value.message
    assert "\n" not in error.value.message
    assert error.value.hint


def test_a_machine_at_its_end_is_not_called_a_models_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlx_lm.utils

    def full(*_: object, **__: object) -> None:
        raise RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (…ErrorOutOfMemory)")

    monkeypatch.setattr(mlx_lm.utils, "load_model", full)
    with pytest.raises(RuntimeError, match="OutOfMemory"):
        load_folder(write_model(tmp_path / "model"))
