"""Each wheel works alone: installed into an empty environment, away from the checkout, it brings all that it needs."""

import importlib.util
import json
import os
import re
import subprocess
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.support.conversations import conversation

ROOT = Path(__file__).parents[2]
UV = os.environ.get("UV", "uv")
pytestmark = pytest.mark.timeout(400)
PACKAGES = ("contract", "chat", "datagen", "audit", "train", "eval", "remote", "cli")
LARGEST_AUDIT = 200_000_000  # bytes installed
# Every module of a package is imported: one that needs a library which the wheel does not declare fails here. Programs
# that run when they are imported are no modules.
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
assert len(names) > 5, names
assert all("site-packages" in path for path in package.__path__), package.__path__
"""


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
        timeout=110,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


class Wheels:
    """The wheels of this checkout, and empty environments to install them into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(UV, "build", "--all-packages", "--wheel", "--quiet", "--out-dir", folder / "wheels", cwd=ROOT)
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
def test_every_module_of_a_wheel_is_imported_with_what_it_declares(
    wheels: Wheels, name: str, tmp_path: Path
) -> None:
    run(wheels.installed(name) / "python", "-P", "-c", IMPORT_ALL, f"tunewright.{name}", cwd=tmp_path)


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

    run(program, "data.merge", "--data", data, "--out", "merged", cwd=data.parent)
    assert (data.parent / "merged" / "dataset.json").is_file()

    for task, says in (("test", "an installed copy"), ("train", "no recipe 'tiny'")):
        refused = run(program, task, cwd=data.parent, check=False)
        assert refused.returncode == 2, refused.stderr
        assert says in refused.stderr
        assert "Traceback" not in refused.stderr


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
