"""One example after another: what is said after writing is true of what was written, and no wording blocks the others."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from operator import is_
from pathlib import Path
from random import Random

import pytest

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import SHIPPED, load_catalog
from tunewright.datagen.corpus import Corpus, installed_corpus
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
    yield from made_in_turn([scenario] * count, folder, corpus)


def made_in_turn(scenarios: Sequence[Scenario], folder: Path, corpus: Corpus) -> Iterator[Attempt]:
    catalog = load_catalog("+".join(SHIPPED))
    with open_engines(None, catalog) as engines:
        maker = Maker(
            [corpus], scenarios, catalog, SuiteGuard([]), folder, engines, Random(4), NearDuplicates()
        )
        with closing(maker):
            for scenario in scenarios:
                made = maker.make(scenario.tool, partial(is_, scenario))
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
        ("completion", {"success": False, "completions": []}, False, False),
        ("completion", {"success": True, "completions": [{"label": "x"}], "truncated": False}, False, True),
    ],
)
def test_a_call_that_finds_nothing_of_what_it_is_about_makes_no_example(
    tool: str, result: dict[str, object], later: bool, fits: bool
) -> None:
    before = (Call("write_file", {}, {"success": True}),) if later else ()
    work = Work("", "0", "", (*before, Call(tool, {}, dict(result))))
    assert (unfit(SCENARIOS["write.read"], work) is None) == fits


def test_completions_that_were_cut_off_are_not_taken_for_the_whole() -> None:
    fits: dict[str, bool] = {}
    for name in (
        "completion.each",
        "completion.methods",
        "completion.has",
        "completion.count",
        "completion.limit",
    ):
        for truncated in (True, False):
            result = {"success": True, "completions": [{"label": "x"}], "truncated": truncated}
            program = SCENARIOS[name].program
            fits[f"{name} {truncated}"] = (
                unfit(SCENARIOS[name], Work(program, "x", "", (Call("completion", {}, result),))) is None
            )
    cut = {name.split()[0] for name, fit in fits.items() if not fit}
    assert cut == {"completion.each", "completion.methods", "completion.has"}
    assert all(fit for name, fit in fits.items() if name.endswith("False"))


def test_the_name_that_the_code_has_is_among_its_completions(tmp_path: Path) -> None:
    corpus = installed_corpus("itsdangerous")
    scenarios = [scenario for name, scenario in SCENARIOS.items() if name.startswith("completion.")]
    for made in made_in_turn(scenarios * 4, tmp_path / "s", corpus):
        name = made.scenario
        call = made.work.calls[0]
        file, line, prefix = (call.arguments[key] for key in ("file", "line", "prefix"))
        assert made.engines
        assert all(str(value) in made.request for value in (file, line, prefix))
        text = corpus.files[file].split("\n")[line - 1]
        if not call.result["success"]:
            assert name == "completion.failure"
            assert "nothing fits" in made.work.stdout
            continue
        (written,) = re.findall(rf"(?<!\w){re.escape(prefix)}\w*", text)
        labels = [item["label"] for item in call.result["completions"]]
        assert call.result["truncated"] or "limit" in call.arguments or written.rpartition(".")[2] in labels
        if name == "completion.has":
            assert made.work.stdout == ("yes" if made.slots["member"] in labels else "no")
        if name in ("completion.each", "completion.not_outline"):
            assert made.work.stdout.split() == labels
        if name == "completion.count" and not call.result["truncated"]:
            assert made.work.stdout == str(len(labels))


def test_a_wording_that_can_pass_only_once_does_not_block_the_others(tmp_path: Path) -> None:
    requests = ("How long is that file of ours?", "How many lines does {path} have?")
    scenario = SCENARIOS["read.count"].model_copy(update={"requests": requests})
    files = {f"some{n}/place{n}/module{n}.py": "x = 1\ny = 2\nz = 3\n" for n in range(30)}
    made = list(made_by(scenario, tmp_path / "s", 12, Corpus("demo", "1", files)))
    assert sum(one.template == scenario.requests[0] for one in made) == 1
