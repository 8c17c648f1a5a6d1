"""The house itself: imports run one way, modules stay small, start-up stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = str(Path(sys.executable).parent / "lint-imports")
MODULES = sorted(path for path in (ROOT / "packages").rglob("*.py") if ".venv" not in path.parts)


def test_imports_run_from_the_roof_to_the_ground_only() -> None:
    done = subprocess.run([LINT_IMPORTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_direction_test_can_fail(tmp_path: Path) -> None:
    (tmp_path / "low.py").write_text("import high\n")
    (tmp_path / "high.py").write_text("")
    config = tmp_path / "config.ini"
    config.write_text(
        "[importlinter]\nroot_packages =\n    low\n    high\n"
        "[importlinter:contract:1]\nname = layers\ntype = layers\nlayers =\n    high\n    low\n"
    )
    done = subprocess.run(
        [LINT_IMPORTS, "--config", str(config), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_a_room_not_a_hall(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text)), "say in a line what the module is for"


def test_there_is_no_shared_namespace_module() -> None:
    assert not list((ROOT / "packages").glob("*/src/tunewright/__init__.py"))


def test_loading_the_tasks_imports_nothing_heavy() -> None:
    heavy = (
        "mlx",
        "duckdb",
        "fabric",
        "paramiko",
        "pydantic",
        "numpy",
        "scipy",
        "jinja2",
        "rich",
        "asyncssh",
    )
    code = f"import tasks, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
