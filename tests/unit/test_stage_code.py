"""A stage's code does not change while its number stays, unless somebody has said that its results are the same."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import stage_code as house
from tests.support.stage_code import (
    RECORD,
    REPORTS,
    ROOT,
    STAGES,
    differences,
    digest,
    imports,
    main,
    reached,
    read_text,
    stage_code,
    stage_libraries,
)

# Names to import that are not the distribution's; and libraries that check values or undo a compression, and change neither.
DISTRIBUTIONS = {"mlx_lm": "mlx-lm", "pydantic_monty": "pydantic-monty"}
HARMLESS = {"pydantic", "zstandard"}
PACKAGES = ROOT / "packages"


def with_text(module: str, change: Callable[[str], str]) -> Callable[[Path], str]:
    """A reader for which one module's text is changed."""
    end = f"tunewright/{module}.py"

    def read(path: Path) -> str:
        text = read_text(path)
        if not str(path).endswith(end):
            return text
        changed = change(text)
        assert changed != text
        return changed

    return read


def changed_stages(module: str, change: Callable[[str], str]) -> set[str]:
    """The stages whose code such a change is."""
    read = with_text(module, change)
    return {stage for stage in STAGES if stage_code(stage, read) != stage_code(stage)}


def test_no_stage_has_other_code_under_the_same_number() -> None:
    assert "\n".join(found.advice() for found in differences()) == ""


@pytest.mark.parametrize(
    ("module", "old", "new", "stages"),
    [
        ("train/training", "0.5 * (1 + math.cos", "0.25 * (1 + math.cos", {"train"}),
        ("train/served", 'state == "normal" and previous', 'state == "normal" or previous', {"predict"}),
        ("train/quantize", "delivered_type(recipe", "str(recipe", {"quantize"}),
        ("train/gguf_model", '"hidden_act": "silu"', '"hidden_act": "gelu"', {"convert"}),
        ("chat/reading/sharegpt", '"from"', '"by"', {"prepare"}),
        ("datagen/structure", "random()", "gauss()", {"generate"}),
        (
            "contract/template_support",
            "one_call",
            "two_calls",
            {"prepare", "fit", "train", "fidelity", "predict"},
        ),
    ],
)
def test_a_change_of_code_is_one_of_the_stages_that_import_it(
    module: str, old: str, new: str, stages: set[str]
) -> None:
    assert stages <= changed_stages(module, lambda text: text.replace(old, new))


def test_the_learning_rate_is_no_part_of_what_other_stages_do() -> None:
    assert changed_stages("train/training", lambda text: text.replace("math.cos", "math.sin")) == {"train"}


@pytest.mark.parametrize(
    "module", ["train/training", "train/lora", "chat/reading/turns", "contract/encoding"]
)
def test_comments_docstrings_and_layout_are_not_code(module: str) -> None:
    def rewritten(text: str) -> str:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("Something else."))
        return ast.unparse(tree) + "\n# a comment\n"

    assert changed_stages(module, rewritten) == set()


def test_digests_tell_apart_what_differs_in_a_name_a_value_or_its_type() -> None:
    texts = [
        "x = 1",
        "y = 1",
        "x = 2",
        "x = '1'",
        "x = True",
        "x = None",
        "x: int = 1",
        "x += 1",
        "def x(): pass",
    ]
    texts += [
        "x = [1]",
        "x = [[1]]",
        "x = a[1:]",
        "x = a[:1]",
        "return",
        "return None",
        "x = f'{1}'",
        "x = f'{1!r}'",
    ]
    assert len({digest(ast.parse(text)) for text in texts}) == len(texts)


def test_a_definition_reaches_what_it_names_and_nothing_else() -> None:
    tree = ast.parse(
        "from a import b, c\nfrom d import e\nN = 1\nM = N + 1\n"
        "def f():\n return g() + M\ndef g():\n return b\ndef h():\n return e"
    )
    assert ast.unparse(reached(tree, "f")).splitlines()[:3] == ["from a import b, c", "N = 1", "M = N + 1"]
    assert "def g" in ast.unparse(reached(tree, "f"))
    assert "e" not in imports(reached(tree, "f"))[1] | imports(reached(tree, "f"))[0]
    assert "def h" not in ast.unparse(reached(tree, "f"))


def test_imports_for_type_checkers_alone_are_not_followed() -> None:
    tree = ast.parse(
        "if TYPE_CHECKING:\n import numpy\ndef f():\n import scipy.stats\n from tunewright.chat import calls"
    )
    assert imports(tree) == ({"tunewright.chat", "tunewright.chat.calls"}, {"scipy"})


def test_modules_that_are_left_out_are_ones_that_a_stage_imports() -> None:
    modules = {name.partition(":")[0] for stage in STAGES for name in stage_code(stage) if "/" not in name}
    reached_by_them = set[str]()
    for module in modules:
        path = next(PACKAGES.glob(f"*/src/{module.replace('.', '/')}.py"), None)
        if path is not None:
            reached_by_them |= imports(ast.parse(path.read_text(encoding="utf-8")))[0]
    assert reached_by_them >= REPORTS.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_the_versions_of_the_libraries_that_a_stage_imports_are_in_its_key(stage: str) -> None:
    imported = {DISTRIBUTIONS.get(name, name) for name in stage_libraries(stage)}
    assert imported - HARMLESS <= set(STAGES[stage].libraries)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record of its own, in which the training loop is an older one."""
    value = json.loads(RECORD.read_text(encoding="utf-8"))
    value["code"]["tunewright.train.training"] = "older"
    path = tmp_path / "stage_code.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    monkeypatch.setattr(house, "RECORD", path)
    return path


def test_changed_code_is_refused_with_the_question_to_answer(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = record.read_text(encoding="utf-8")
    assert main([]) == 1
    told = capsys.readouterr().err
    assert "The code of stage train changed and its number" in told
    assert "tunewright.train.training" in told
    assert "packages/train/src/tunewright/train/fingerprints.py" in told
    assert main(["fuse"]) == 1
    assert main(["no_such_stage"]) == 2
    assert record.read_text(encoding="utf-8") == before


def test_the_same_results_are_recorded_for_the_stages_named(record: Path) -> None:
    assert main(["train"]) == 0
    assert json.loads(record.read_text(encoding="utf-8")) == json.loads(RECORD.read_text(encoding="utf-8"))
    assert differences() == []


def test_a_raised_number_is_recorded_without_a_word(record: Path) -> None:
    value = json.loads(record.read_text(encoding="utf-8"))
    value["numbers"]["train"] -= 1
    record.write_text(json.dumps(value), encoding="utf-8")
    [found] = differences()
    assert found.raised
    assert "Record it" in found.advice()
    assert main([]) == 0
    assert differences() == []
