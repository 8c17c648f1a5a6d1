"""The code base itself: imports run one way and in no circle, start-up stays light."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tunewright.cli.dev_tasks import shell_scripts

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


def test_shell_scripts_pass_shellcheck(tmp_path: Path) -> None:
    shellcheck = str(Path(sys.executable).parent / "shellcheck")
    done = subprocess.run([shellcheck, *shell_scripts()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    bad = tmp_path / "bad.sh"
    bad.write_text("#!/bin/sh\nrm -rf $1/*\n")
    assert subprocess.run([shellcheck, bad], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_in_a_line_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_snapshots_have_a_test_and_name_no_place_on_a_machine() -> None:
    """syrupy finds an unused snapshot only in a folder where a test asks for one, and knows nothing of paths."""
    snapshots = sorted((ROOT / "tests").rglob("__snapshots__/*"))
    assert len(snapshots) > 10
    for path in snapshots:
        assert "snapshot: SnapshotAssertion" in (path.parents[1] / f"{path.stem}.py").read_text(), path
        text = path.read_text(encoding="utf-8")
        assert not re.findall(rf"/tmp/.*|/home/.*|pytest-of-.*|{re.escape(str(ROOT))}.*", text), path


def imports_of(sources: dict[str, str]) -> dict[str, set[str]]:
    """The modules that each module imports when it is loaded, among those given."""
    edges: dict[str, set[str]] = {}
    for module, source in sources.items():
        edges[module] = set()
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import):
                edges[module] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:  # a module of a package, or a name of one
                    whole = f"{node.module}.{alias.name}"
                    edges[module].add(whole if whole in sources else node.module)
        edges[module] &= sources.keys() - {module}
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Chains of imports that come back to where they began."""
    found: list[list[str]] = []
    finished: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
        elif module not in finished:
            for other in sorted(edges[module]):
                walk(other, [*path, module])
            finished.add(module)

    for module in sorted(edges):
        walk(module, [])
    return found


def test_no_module_imports_itself_through_others() -> None:
    sources: dict[str, str] = {}
    for path in MODULES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "src" in parts:
            name = ".".join(parts[parts.index("src") + 1 :]).removesuffix(".__init__")
            sources[name] = path.read_text()
    assert circles(imports_of(sources)) == []


def test_the_search_for_circles_finds_one() -> None:
    sources = {
        "a": "from b import x",
        "b": "import c",
        "c": "def f(): import d\nfrom a import y",
        "d": "import a",
    }
    assert circles(imports_of(sources)) == [["a", "b", "c", "a"]]


def test_the_files_that_the_architecture_page_names_exist() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where to change what")[2]
    rows = [
        line.split(" | ")[1]
        for line in table.partition("## Every file")[0].splitlines()
        if line.startswith("| ")
    ]
    named = [name for row in rows for name in re.findall(r"`([\w/]+(?:\.\w+|/))`", row)]
    missing = [name for name in named if "/" in name and not _in_package(name).exists()]
    assert len(rows) >= 20
    assert not missing


def _in_package(name: str) -> Path:
    package = name.partition("/")[0]
    return ROOT / "packages" / package / "src" / "tunewright" / name


# Modules of one name in several packages, and the job that they do together.
SAME_JOB = {
    "fetch": ("remote train", "a base model is fetched: the laptop asks for it, the host does it"),
    "probe": (
        "audit train",
        "a probe of a dataset: audit plans and judges it, train trains and asks the model",
    ),
}


def shared_names(files: Iterable[Path]) -> dict[str, str]:
    """The names of modules and folders of modules that several packages have, each with those packages.

    `files` are named as in a wheel, below `tunewright/`.
    """
    found: dict[str, set[str]] = {}
    for path in files:
        package, *folders, file = path.parts
        name = file.removesuffix(".py") if file != "__init__.py" else (folders or [""])[-1]
        found.setdefault(name, set()).add(package)
    del found[""]
    return {name: " ".join(sorted(packages)) for name, packages in found.items() if len(packages) > 1}


def test_packages_share_a_module_name_only_where_their_modules_do_the_same_job() -> None:
    sources = [path.relative_to(ROOT).parts for path in MODULES if "src" in path.parts]
    assert len(sources) > 300
    below = (Path(*parts[parts.index("src") + 2 :]) for parts in sources)
    assert shared_names(below) == {name: packages for name, (packages, _) in SAME_JOB.items()}


def test_the_search_for_shared_names_finds_them() -> None:
    files = [
        "a/__init__.py",
        "b/__init__.py",
        "a/x.py",
        "b/deep/x.py",
        "b/y/__init__.py",
        "c/y.py",
        "b/y.py",
        "c/z.py",
    ]
    assert shared_names(map(Path, files)) == {"x": "a b", "y": "b c"}


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
    code = f"import tunewright.cli.tasks, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
