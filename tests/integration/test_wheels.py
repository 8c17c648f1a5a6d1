"""Each wheel works alone: installed into an empty environment, away from the checkout, it brings all that it needs."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.support.conversations import conversation
from tests.support.new_user import QUICK
from tests.support.small_dataset import small_dataset
from tunewright.contract.atomic import sha256_bytes
from tunewright.remote.bundle import prepare_shipment

ROOT = Path(__file__).parents[2]
UV = os.environ.get("UV", "uv")
pytestmark = pytest.mark.timeout(400)
PACKAGES = ("contract", "chat", "datagen", "audit", "train", "eval", "remote", "cli")
LARGEST_AUDIT = 200_000_000  # bytes installed
# Imports of a wheel's modules, wherever in them, that its environment does not have; and the names that it exports.
MISSING = """
import ast, importlib, importlib.util, json, pathlib, sys
package = importlib.import_module(sys.argv[1])
(folder,) = package.__path__
assert "site-packages" in folder, folder
modules = list(pathlib.Path(folder).rglob("*.py"))
wanted = set()
for module in modules:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            wanted.add(node.module)
def found(name):
    try:
        return importlib.util.find_spec(name if name.startswith("tunewright.") else name.partition(".")[0])
    except ModuleNotFoundError:
        return None
exported = [getattr(package, name).__name__ for name in getattr(package, "__all__", ())]
print(json.dumps([len(modules), len(exported), sorted(name for name in wanted if not found(name))]))
"""
# Libraries that only an extra brings.
EXTRAS = {"audit": {"tokenizers"}, "contract": {"huggingface_hub"}, "cli": {"tensorboardX"}}


def run(*command: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    hidden = ("PYTHON", "VIRTUAL_ENV", "COV_", "COVERAGE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "UV_SYSTEM_CERTS": "1", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


class Wheels:
    """The wheels of this checkout, and empty environments to install them into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(sys.executable, "-P", "-m", "tunewright.cli", "wheels", "--out", folder / "wheels", cwd=ROOT)
        self.paths = {name: next(folder.glob(f"wheels/tunewright_{name}-*.whl")) for name in PACKAGES}

    def metadata(self, name: str) -> Message:
        with zipfile.ZipFile(self.paths[name]) as wheel:
            path = next(entry for entry in wheel.namelist() if entry.endswith(".dist-info/METADATA"))
            return Parser().parsestr(wheel.read(path).decode())

    def siblings(self, name: str) -> set[str]:
        """The package and all of ours that it needs."""
        found = {name}
        for line in self.metadata(name).get_all("Requires-Dist", []):
            if (needed := re.match(r"tunewright-(\w+)", line)) and needed[1] not in found:
                found |= self.siblings(needed[1])
        return found

    def installed(self, name: str) -> Path:
        """The `bin` folder of a new environment that holds the package and nothing else."""
        place = self.folder / name
        if not place.exists():
            run(UV, "venv", "--quiet", "--no-project", place, cwd=self.folder)
            # By path: uv keeps what it once unpacked of a wheel that it found by name and version.
            wheels = [self.paths[sibling] for sibling in sorted(self.siblings(name))]
            line = [UV, "pip", "install", "--quiet", "--python", place / "bin" / "python", *wheels]
            if run(*line, "--offline", cwd=self.folder, check=False).returncode:
                run(*line, cwd=self.folder)
        return place / "bin"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    made = Wheels(tmp_path_factory.mktemp("wheels"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(made.installed, PACKAGES))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [conversation(number).row() for number in range(120)]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_declares_every_library_that_it_imports(wheels: Wheels, name: str, tmp_path: Path) -> None:
    said = run(wheels.installed(name) / "python", "-P", "-c", MISSING, f"tunewright.{name}", cwd=tmp_path)
    modules, exported, missing = json.loads(said.stdout)
    assert modules > 5
    assert exported >= (0 if name == "cli" else 3)
    assert {module.partition(".")[0] for module in missing} == EXTRAS.get(name, set())


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_says_what_it_is(wheels: Wheels, name: str) -> None:
    said = wheels.metadata(name)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    siblings = [line for line in said.get_all("Requires-Dist", []) if line.startswith("tunewright-")]
    assert said["Version"] == version
    assert all(line.endswith(f"=={version}") for line in siblings), siblings
    assert said["License-Expression"] == "MIT"
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    assert str(said.get_payload()).strip().startswith(f"# tunewright-{name}")
    with zipfile.ZipFile(wheels.paths[name]) as wheel:
        held = wheel.namelist()
        licence = next(entry for entry in held if entry.endswith("/LICENSE"))
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert f"tunewright/{name}/py.typed" in held
    assert "tunewright/__init__.py" not in held


@pytest.mark.slow
def test_the_audit_needs_its_wheel_alone(wheels: Wheels, data: Path) -> None:
    program = wheels.installed("audit") / "tunewright-audit"
    passed = run(program, data, "--json", "audit.json", "--html", "audit.html", cwd=data.parent, check=False)
    report = json.loads((data.parent / "audit.json").read_text())
    assert report["dataset"]["files"][0]["examples"] == 120
    assert passed.returncode == int(report["verdict"] == "fail"), passed.stderr
    assert report["verdict"].upper() in passed.stdout
    assert "<html" in (data.parent / "audit.html").read_text()
    assert "./inv" not in passed.stdout + passed.stderr

    counted = run(
        program, "sql", "SELECT count(*) AS n FROM examples", data, "--format", "csv", cwd=data.parent
    )
    assert counted.stdout.split() == ["n", "120"]

    refused = run(program, "nowhere.jsonl", cwd=data.parent, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: no data at nowhere.jsonl\n")
    assert run(program, "--no-such-flag", cwd=data.parent, check=False).returncode == 2
    assert run(program, cwd=data.parent, check=False).returncode == 2

    environment = program.parent.parent
    held = [path for path in environment.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in held) < LARGEST_AUDIT
    assert not list(environment.rglob("tokenizers"))


@pytest.mark.slow
def test_the_command_needs_its_wheel_alone(wheels: Wheels, data: Path) -> None:
    program = wheels.installed("cli") / "tunewright"
    inside = run(sys.executable, "-P", "-m", "tunewright.cli", "--list", cwd=ROOT)
    assert run(program, "--list", cwd=data.parent).stdout == inside.stdout

    audited = run(program, "audit", "--data", data, "--json", "audit.json", cwd=data.parent, check=False)
    assert audited.returncode == int(
        json.loads((data.parent / "audit.json").read_text())["verdict"] == "fail"
    )
    run(program, "data.merge", "--data", data, "--out", "merged", cwd=data.parent)
    assert (data.parent / "merged" / "dataset.json").is_file()

    for task, says in (("test", "an installed copy"), ("train", "tunewright new FOLDER")):
        refused = run(program, task, cwd=data.parent, check=False)
        assert refused.returncode == 2, refused.stderr
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_what_a_host_gets_is_the_checkouts_own(wheels: Wheels) -> None:
    ours = prepare_shipment(ROOT, lambda _: None)
    with zipfile.ZipFile(wheels.paths["remote"]) as wheel:
        shipped = {
            name: wheel.read(f"tunewright/remote/shipment/{name}") for name in (*ours.files, "uv.lock")
        }
    assert {name: sha256_bytes(shipped[name]) for name in ours.files} == ours.files
    assert shipped["uv.lock"] == (ROOT / "uv.lock").read_bytes()
    for name in ("contract", "train"):
        assert shipped[wheels.paths[name].name] == wheels.paths[name].read_bytes()


@pytest.mark.slow
def test_the_datasets_corpora_come_with_the_wheel(wheels: Wheels, tmp_path: Path) -> None:
    ask = (
        "from tunewright.datagen.corpus import TRAIN, VALID, installed_corpus\n"
        "print(*(len(installed_corpus(name).files) for name in TRAIN + VALID))"
    )
    said = run(wheels.installed("datagen") / "python", "-P", "-c", ask, cwd=tmp_path)
    assert all(int(files) > 1 for files in said.stdout.split())
    assert len(said.stdout.split()) == 13


@pytest.mark.slow
def test_an_installed_copy_trains_in_a_project_of_its_own(wheels: Wheels, tmp_path: Path) -> None:
    program, project = wheels.installed("cli") / "tunewright", tmp_path / "project"
    made = run(program, "new", project, cwd=tmp_path)
    assert f"cd {project}, then tunewright plan" in made.stdout
    for folder in ("recipes", "suites"):
        tracked = run("git", "ls-files", "--", folder, cwd=ROOT).stdout.split()
        found = {str(path.relative_to(project)) for path in (project / folder).rglob("*") if path.is_file()}
        assert found == set(tracked)
    refused = run(program, "new", project, cwd=tmp_path, check=False)
    assert (refused.returncode, "exists" in refused.stderr) == (2, True)

    shorter = re.sub(r"(steps|checkpoint_every|validate_every) = \d+", r"\1 = 4", QUICK)
    (project / "recipes" / "quick.toml").write_text(shorter)
    trained = run(program, "train", "--recipe", "quick", "--data", small_dataset(), cwd=project, check=False)
    assert trained.returncode in (0, 1, 3), trained.stderr[-3000:]
    (report,) = (project / "runs").glob("*/report.html")
    folder = report.parent
    assert f"report    {report}" in trained.stdout
    assert json.loads((folder / "status.json").read_text())["state"] == "done"
    spec = json.loads((folder / "spec.json").read_text())
    assert spec["environment"] == prepare_shipment(ROOT, lambda _: None).hash
    answered = (folder / "predictions" / "quantized" / "navigation.jsonl").read_text().splitlines()
    assert len(answered) == 60
    verdict = json.loads((folder / "scores" / "verdict.json").read_text())
    assert trained.returncode == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}[verdict["verdict"].upper()]

    planned = run(program, "plan", "--recipe", "quick", cwd=project)
    assert "environment: there already" in planned.stdout
    assert run(program, "runs", cwd=project).stdout.count("quick") == 1
    again = run(program, "score", "--run", folder.name, cwd=project, check=False)
    assert again.returncode == trained.returncode


@pytest.mark.slow
def test_a_damaged_shipment_in_the_wheel_is_refused_in_one_line(wheels: Wheels, tmp_path: Path) -> None:
    program = wheels.installed("cli") / "tunewright"
    (shipment,) = program.parent.parent.glob("lib/*/site-packages/tunewright/remote/shipment")
    requirements = shipment / "requirements.txt"
    held = requirements.read_bytes()
    requirements.unlink()  # it may be a link into uv's cache
    try:
        requirements.write_bytes(held[:-1])
        refused = run(program, "train", cwd=tmp_path, check=False)
    finally:
        requirements.write_bytes(held)
    assert refused.returncode == 2
    assert refused.stderr == f"error: {shipment} is damaged\n  Install Tunewright again.\n"
    assert not list(tmp_path.iterdir())


def test_the_version_is_written_once() -> None:
    spec = importlib.util.spec_from_file_location("set_version", ROOT / "infra" / "set_version.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        text = path.read_text()
        assert module.with_version(text, version) == text
        moved = tomllib.loads(module.with_version(text, "9.8.7"))["project"]
        assert moved["version"] == "9.8.7"
        ours = [line for line in moved["dependencies"] if line.startswith("tunewright-")]
        assert all(line.endswith("==9.8.7") for line in ours), ours
