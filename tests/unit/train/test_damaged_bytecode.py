"""Bytecode that a full disk cut off breaks every later import: that is told, with the command that repairs it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tunewright.train.failures import explain


def test_bytecode_that_was_cut_off_is_told_and_the_command_repairs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "an environment"
    environment.mkdir()
    module = environment / "module_cut_off.py"
    module.write_text(f"TEXT = {'x' * 10_000!r}\n")
    monkeypatch.syspath_prepend(str(environment))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.import_module(module.stem)
    (whole,) = environment.rglob("*.pyc")
    whole.write_bytes(whole.read_bytes()[:1000])
    del sys.modules[module.stem]
    with pytest.raises(EOFError) as error:
        importlib.import_module(module.stem)

    monkeypatch.setattr(sys, "prefix", str(environment))
    told = explain(error.value)
    assert told is not None
    assert str(environment) in told.message
    command = told.hint.partition(": ")[2].partition("   Then")[0]
    subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    assert importlib.import_module(module.stem).TEXT.startswith("x")
    assert explain(EOFError("of a file of ours")) is None, "any other is a bug"
