"""What runs on public forges: the files are what their schemas ask, and their steps do what they say, run here."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.support.kept_schemas import kept_schema

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "infra" / "action"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (ACTION / "action.yml", "/metadata-syntax-for-github-actions"),
        (ROOT / ".github" / "workflows" / "tests.yml", "/workflow-syntax-for-github-actions"),
    ],
    ids=["action", "workflow"],
)
def test_a_file_is_what_the_forge_asks(path: Path, schema: str) -> None:
    value = read(path)
    value = {
        ("on" if key is True else key): entry for key, entry in value.items()
    }  # YAML 1.1 takes `on` for true
    validator = Draft7Validator(kept_schema(schema))
    assert [error.message for error in validator.iter_errors(value)] == []
    assert "Not run on a forge" in path.read_text()
    broken = {key: entry for key, entry in value.items() if key not in ("runs", "jobs")}
    assert not validator.is_valid(broken)


def test_no_input_is_pasted_into_a_script() -> None:
    scripts = [step["run"] for step in read(ACTION / "action.yml")["runs"]["steps"] if "run" in step]
    jobs = read(ROOT / ".github" / "workflows" / "tests.yml")["jobs"].values()
    scripts += [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert len(scripts) >= 5
    assert [script for script in scripts if "${{" in script] == []


def test_what_the_workflow_runs_is_there() -> None:
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    named = set(re.findall(r"(?:\./inv|\.ci/run|tests/[\w/]+\.py)", text))
    assert len(named) == 3
    assert [name for name in named if not (ROOT / name).is_file()] == []


def row(number: int, *, system: bool) -> str:
    """A call of one of two tools; every row has a system message, or those of one tool alone."""
    tool = ("goto_definition", "find_references")[number % 2]
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("goto_definition", "find_references")
    ]
    call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    messages = [{"role": "system", "content": "You help with code."}] if system or number % 2 else []
    messages += [
        {"role": "user", "content": f"what about name_{number * 7919} of module {number * 31}, {tool}?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    return json.dumps({"messages": messages, "tools": tools}) + "\n"


class Forge:
    """A repository, and the action's own steps run in it as a runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.folder.mkdir()
        self.outputs = folder / "outputs"
        self.outputs.touch()
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("README.md", "a repository\n")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    def run(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        action = read(ACTION / "action.yml")
        values = {name: str(entry["default"]) for name, entry in action["inputs"].items()} | inputs
        (step,) = [step for step in action["runs"]["steps"] if "run" in step]
        environment = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: values[found[1]], text)
            for name, text in step["env"].items()
        }
        return subprocess.run(
            [step["shell"], "-e", "-c", step["run"]],
            cwd=self.folder,
            env={
                **os.environ,
                **environment,
                "GITHUB_ACTION_PATH": str(ACTION),
                "GITHUB_OUTPUT": str(self.outputs),
                "RUNNER_TEMP": str(self.temporary),
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(autouse=True)
def _uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The action installs uv and the hook expects it; here it is the launcher's."""
    own = Path(os.environ.get("UV", ROOT / ".tools" / "bin" / "uv")).parent
    monkeypatch.setenv("PATH", f"{own}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_action_audits_what_changed_and_keeps_sarif(forge: Forge) -> None:
    base = forge.commit("old.jsonl", "not a dataset\n")
    forge.commit("-$(touch owned) new.jsonl", "".join(row(n, system=False) for n in range(200)))
    done = forge.run(base=base)
    assert done.returncode == 1, done.stderr
    assert "::error file=-$(touch owned) new.jsonl,line=1,title=coverage.system_message::" in done.stdout
    assert not list(forge.folder.glob("owned*"))
    (line,) = forge.outputs.read_text().splitlines()
    log = json.loads(Path(line.removeprefix("sarif=")).read_text())
    assert [file["location"]["uri"] for file in log["runs"][0]["artifacts"]] == [
        "-%24%28touch%20owned%29%20new.jsonl"
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dataset_without_faults_passes(forge: Forge) -> None:
    base = forge.git("rev-parse", "HEAD")
    forge.commit("rows.jsonl", "".join(row(n, system=True) for n in range(200)))
    done = forge.run(base=base)
    assert done.returncode == 0, done.stdout + done.stderr
    assert forge.outputs.read_text().startswith("sarif=")


def test_a_change_without_datasets_passes(forge: Forge) -> None:
    base = forge.commit("rows.jsonl", "not a dataset\n")
    forge.commit("code.py", "x = 1\n")
    done = forge.run(base=base)
    assert (done.returncode, done.stdout) == (0, "No dataset changed (*.jsonl *.ndjson *.parquet).\n")
    assert forge.outputs.read_text() == ""


@pytest.mark.parametrize("base", ["0" * 40, "--output=owned", "no such branch"])
def test_a_base_that_is_not_there_fails_the_step(forge: Forge, base: str) -> None:
    done = forge.run(base=base)
    assert done.returncode not in (0, 1)
    assert "fatal" in done.stderr
    assert not (forge.folder / "owned...HEAD").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_hook_audits_the_files_it_is_given(tmp_path: Path) -> None:
    (hook,) = read(ROOT / ".pre-commit-hooks.yaml")
    assert {"id", "name", "entry", "language", "files"} <= hook.keys()
    assert hook["language"] == "script"
    assert re.search(hook["files"], "data/train.jsonl.gz")
    assert not re.search(hook["files"], "data/train.json")
    (tmp_path / "train.jsonl").write_text("".join(row(n, system=False) for n in range(200)))
    done = subprocess.run(
        [str(ROOT / hook["entry"]), "train.jsonl"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "FAIL: " in done.stdout
