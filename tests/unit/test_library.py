"""The library: a few names a package, cheap to import, and every documented example runs."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.conversations import conversation
from tests.support.made_run import make_run

ROOT = Path(__file__).parents[2]
PACKAGES = ("contract", "chat", "datagen", "audit", "train", "eval", "remote")
HEAVY = (
    "mlx",
    "duckdb",
    "numpy",
    "pydantic",
    "rich",
    "jinja2",
    "fabric",
    "httpx2",
    "tokenizers",
    "json",
    "dataclasses",
)
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def names(package: str) -> list[str]:
    return importlib.import_module(f"tunewright.{package}").__all__


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_three_to_six_names_and_documents_each(package: str) -> None:
    module = importlib.import_module(f"tunewright.{package}")
    assert 3 <= len(names(package)) <= 6
    assert names(package) == sorted(names(package))
    section = PAGE.partition(f"## tunewright.{package}\n")[2].partition("\n## ")[0]
    for name in names(package):
        value = getattr(module, name)
        assert value.__doc__, name
        assert not isinstance(value, type(module)), f"{name} is a module"
        assert f"`{name}`" in section, name


@pytest.mark.parametrize("package", PACKAGES)
def test_another_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module(f"tunewright.{package}").nothing  # noqa: B018


def test_importing_the_packages_imports_nothing_heavy() -> None:
    imports = ", ".join(f"tunewright.{package}" for package in PACKAGES)
    code = f"import sys; had = {{*sys.modules}}; import {imports}; print({{*{HEAVY!r}}} & ({{*sys.modules}} - had))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def examples(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the examples are about: a dataset, two runs, the suites and a model's config."""
    rows = [conversation(number).row() for number in range(60)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    old = make_run(tmp_path / "runs", run_id="20261101-090000-tiny-00000001", tuned=0.3, every=4)
    new = make_run(tmp_path / "runs", run_id="20261108-090000-tiny-00000002", tuned=0.9, every=4)
    (tmp_path / "suites").mkdir()
    for path in old.suites.glob("*.jsonl"):
        (tmp_path / "suites" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "predictions").mkdir()
    answers = new.predictions / "quantized" / "navigation.jsonl"
    (tmp_path / "predictions" / "navigation.jsonl").write_bytes(answers.read_bytes())
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    kept = json.loads((ROOT / "recipes" / "configs" / "qwen3-coder-30b-a3b.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(kept["config"]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_shows_the_library_in_ten_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = examples(README)
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    exec(compile(example, "README.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[0] in ("pass", "warn", "fail")
    assert "You help." in said[1]
    assert re.fullmatch(r"0\.\d+ \(0\.\d+, 0?1?\.\d+\)", said[2]), said[2]
    assert said[3] == "BETTER"


def test_each_example_of_the_page_says_what_is_written_next_to_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = examples(PAGE)
    assert len(found) == 4
    space: dict[str, object] = {}
    for example in found:
        exec(compile(example, "docs/library.md", "exec"), space)
        said = capsys.readouterr().out.splitlines()
        assert said == re.findall(r"# -> (.*)$", example, flags=re.MULTILINE)
