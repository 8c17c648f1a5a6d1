"""One example after another: what is said after writing is true of what was written, and no wording blocks the others."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import load_catalog
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.example_messages import Work
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.program import Call
from tunewright.datagen.synthesize import Attempt, Maker, open_engines, unfit
from tunewright.datagen.workspace import Workspace, open_workspace

pytestmark = pytest.mark.slow

CORPUS = Corpus(
    "demo", "1", {f"demo/{name}.py": f"def {name}():\n    return 1\n" for name in ("apply", "merge", "total")}
)
SCENARIOS = {s.name: s for s in shipped_families()}


def made_by(scenario: Scenario, folder: Path, count: int, corpus: Corpus = CORPUS) -> Iterator[Attempt]:
    catalog = load_catalog("coding")
    with open_engines(None, catalog) as engines:
        maker = Maker(
            [corpus], [scenario], catalog, SuiteGuard([]), folder, engines, Random(4), NearDuplicates()
        )
        with closing(maker):
            for _ in range(count):
                made = maker.make(scenario.tool, lambda _: True)
                assert made is not None
                yield made


def test_the_text_said_is_the_text_written(tmp_path: Path) -> None:
    for made in made_by(SCENARIOS["write.read"], tmp_path / "s", 12):
        written, read = made.work.calls
        content = str(written.arguments["content"])
        assert read.result["content"] == made.work.stdout == content
        assert made.work.answer in (
            f"{written.arguments['path']} now says `{content}`.",
            f"It's written, and reading it back gives `{content}`.",
            f"Done, the file says `{content}`.",
        )


def test_the_violations_said_are_those_of_the_module_written(tmp_path: Path) -> None:
    workspace: Workspace = open_workspace(Corpus("bare", "1", {"a.py": ""}), tmp_path / "bare")
    for made in made_by(SCENARIOS["write.lint"], tmp_path / "s", 8):
        written, linted = made.work.calls
        path, content = str(written.arguments["path"]), str(written.arguments["content"])
        assert path.endswith(".py")
        assert made.work.stdout == str(len(linted.result["violations"]))
        assert all(violation["file"] == path for violation in linted.result["violations"])
        # The same text at another place, looked at by ruff itself.
        (workspace.repo / "a.py").write_text(content, encoding="utf-8")
        rules = ["--select", "E,F,W,I,B,UP,C4,SIM", "--output-format", "concise"]
        done = workspace.run(
            ["ruff", "check", "--isolated", "--no-cache", "--quiet", *rules, "a.py"], timeout=20
        )
        assert made.work.stdout == str(done.stdout.count("a.py:"))


@pytest.mark.parametrize(
    ("tool", "result", "later", "fits"),
    [
        ("read_file", {"success": False, "content": ""}, False, False),
        ("ruff_check", {"success": False, "violations": []}, True, False),
        ("ruff_check", {"success": False, "violations": [{"code": "F401"}]}, True, True),
        ("find_references", {"success": False, "references": []}, True, False),
        ("run_command", {"success": False, "exit_code": 1}, True, True),
    ],
)
def test_a_call_that_finds_nothing_of_what_it_is_about_makes_no_example(
    tool: str, result: dict[str, object], later: bool, fits: bool
) -> None:
    before = (Call("write_file", {}, {"success": True}),) if later else ()
    work = Work("", "0", "", (*before, Call(tool, {}, dict(result))))
    assert (unfit(SCENARIOS["write.read"], work) is None) == fits


def test_a_wording_that_can_pass_only_once_does_not_block_the_others(tmp_path: Path) -> None:
    requests = ("How long is that file of ours?", "How many lines does {path} have?")
    scenario = SCENARIOS["read.count"].model_copy(update={"requests": requests})
    files = {f"some{n}/place{n}/module{n}.py": "x = 1\ny = 2\nz = 3\n" for n in range(30)}
    made = list(made_by(scenario, tmp_path / "s", 12, Corpus("demo", "1", files)))
    assert sum(one.template == scenario.requests[0] for one in made) == 1
