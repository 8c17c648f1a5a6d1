"""`probe` from its flags to its exit code: a small model is really trained, and the audit shows what it found."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import planted_structure
from tunewright.cli.pipeline import PROBES
from tunewright.contract.atomic import write_jsonl

ROOT = Path(__file__).parents[2]


def run(*flags: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tunewright.cli", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)


def data(folder: Path, rows: Callable[[int, int], list[dict[str, Any]]]) -> Path:
    write_jsonl(folder / "train.jsonl", rows(320, 1))
    write_jsonl(folder / "valid.jsonl", rows(60, 2))
    return folder


@pytest.fixture(autouse=True)
def _clean() -> Any:
    before = set(PROBES.glob("*"))
    yield
    for path in set(PROBES.glob("*")) - before:
        path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_structure_that_decides_the_tool_is_named_and_fails(tmp_path: Path) -> None:
    folder = data(tmp_path / "data", planted_structure.by_structure)
    done = run("probe", "--data", str(folder), "--json", "-", "--steps", "120")
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "fail"
    assert found["decides"] == ["has_system"]
    flips = {flip["feature"]: flip for flip in found["flips"]}
    assert flips["has_system"]["low"] > found["control"]["high"]
    assert flips["has_system"]["changed"] > 0.8
    assert flips["has_system"]["right_after"] < flips["has_system"]["right_before"] / 4
    assert flips["system_text"]["led_low"] <= found["control"]["high"]
    # The audit of the same data shows it, next to its own finding.
    page = tmp_path / "audit.html"
    audit = run("audit", "--data", str(folder), "--html", str(page))
    assert "Probe (small): it is the cause" in " ".join(audit.stdout.split())
    assert "Probe (small): it is the cause" in page.read_text()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_data_of_equal_structure_pass(tmp_path: Path) -> None:
    folder = data(tmp_path / "data", planted_structure.by_request)
    done = run("probe", "--data", str(folder), "--steps", "120")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS: no part of the structure" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_model_that_learned_nothing_concludes_nothing(tmp_path: Path) -> None:
    folder = data(tmp_path / "data", planted_structure.by_chance)
    done = run("probe", "--data", str(folder), "--steps", "60")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "INCONCLUSIVE: the small model has not learned to choose tools" in done.stdout
