"""May the new model replace the old one?"""

import re
from pathlib import Path

import pytest

from tests.support.gold import answer, gold
from tests.support.made_run import make_run
from tunewright.contract.atomic import sha256_file, write_jsonl
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.run import RunFolder
from tunewright.eval.compare import Comparison, cases_needed, compare_runs
from tunewright.eval.statistics import Paired

OLD, NEW = "20261123-093000-tiny-0a1b2c3d", "20261124-093000-tiny-ffffffff"


def compared(folder: Path, old: float, new: float, seed: int = 8) -> Comparison:
    a = make_run(folder, run_id=OLD, tuned=old)
    b = make_run(folder, run_id=NEW, tuned=new, seed=seed)
    return compare_runs(a, b)


def rewrite(run: RunFolder, suite: str, wrong: set[str]) -> None:
    """All answers right but those of some cases."""
    rows = [
        {"case": case, "text": answer("hover()") if case in wrong else text}
        for case, text in gold(suite).items()
    ]
    write_jsonl(run.predictions / "quantized" / f"{suite}.jsonl", rows)


def test_a_clear_gain_is_better(tmp_path: Path) -> None:
    result = compared(tmp_path, 0.6, 0.95)
    assert result.verdict == "BETTER"
    assert result.exit_code == ExitCode.DONE
    assert result.total.n == 120
    assert sum(1 for flip in result.flips if flip.b.passed) == result.total.only_b


def test_a_clear_loss_is_worse(tmp_path: Path) -> None:
    result = compared(tmp_path, 0.95, 0.6)
    assert result.verdict == "WORSE"
    assert result.exit_code == ExitCode.FAILED


def test_the_same_answers_are_not_worse(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    result = compare_runs(run, run)
    assert result.verdict == "NOT WORSE"
    assert result.flips == ()
    assert result.total.p == 1


def test_a_few_changes_both_ways_cannot_be_told(tmp_path: Path) -> None:
    result = compared(tmp_path, 0.8, 0.8)
    assert result.verdict == "INCONCLUSIVE"
    assert result.exit_code == ExitCode.INCONCLUSIVE
    assert re.search(r"about \d{3,} cases would show one, there are 120", result.reason)


def test_one_category_lost_altogether_is_worse_though_the_rest_gained(tmp_path: Path) -> None:
    a, b = make_run(tmp_path, run_id=OLD), make_run(tmp_path, run_id=NEW)
    lost = {f"workflow-{i:02}" for i in range(1, 13)}
    gained = {f"{category}-{i:02}" for category in ("direct_answer", "goto_definition") for i in range(1, 13)}
    rewrite(a, "navigation", gained)
    rewrite(b, "navigation", lost)
    for run in (a, b):
        rewrite(run, "field_access", set())
    result = compare_runs(a, b)
    assert result.total.difference > 0
    assert result.verdict == "WORSE"
    assert result.reason == "worse in navigation: workflow, after correction for 10 categories"
    worse = next(c for c in result.categories if c.category == "workflow")
    assert worse.q == pytest.approx(10 * worse.paired.p)


def test_the_json_is_what_the_page_of_formats_says(tmp_path: Path) -> None:
    value = compared(tmp_path, 0.6, 0.95).to_json()
    assert value["a"] == {"run": OLD, "model": "quantized"}
    assert len(value["categories"]) == 10
    total = value["total"]
    assert total["both"] + total["only_a"] + total["only_b"] + total["neither"] == total["n"] == 120
    assert total["low"] < total["difference"] < total["high"]
    assert len(value["gained"]) == total["only_b"]
    assert all(item["reasons"] for item in value["lost"])


def test_the_text_ends_with_the_verdict(tmp_path: Path) -> None:
    text = compared(tmp_path, 0.6, 0.95).to_text()
    assert text.splitlines()[-1].startswith("b is BETTER: ")
    assert text.count("- ") >= 10


def test_suites_of_other_cases_are_refused(tmp_path: Path) -> None:
    a, b = make_run(tmp_path, run_id=OLD), make_run(tmp_path, run_id=NEW)
    path = b.suites / "navigation.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"line": 467', b'"line": 468'))
    spec = b.read_spec()
    b.write_spec(spec.model_copy(update={"suites": {**spec.suites, "navigation": sha256_file(path)}}))
    with pytest.raises(UserError, match="suite navigation holds other cases"):
        compare_runs(a, b)


def test_runs_without_a_common_suite_are_refused_and_one_sided_ones_are_named(tmp_path: Path) -> None:
    def only(run: RunFolder, name: str) -> None:
        spec = run.read_spec()
        recipe = spec.recipe
        suites = tuple(entry for entry in recipe.suites if entry.name == name)
        gates = tuple(gate for gate in recipe.gates if gate.suite in (None, name))
        run.write_spec(
            spec.model_copy(update={"recipe": recipe.model_copy(update={"suites": suites, "gates": gates})})
        )

    a, b = make_run(tmp_path, run_id=OLD), make_run(tmp_path, run_id=NEW)
    only(a, "navigation")
    assert compare_runs(a, b).left_out == ("field_access",)
    only(b, "field_access")
    with pytest.raises(UserError, match="no suite in common"):
        compare_runs(a, b)


def test_the_page_holds_both_answers_of_every_case_that_changed(tmp_path: Path) -> None:
    result = compared(tmp_path, 0.6, 0.95)
    page = result.to_html()
    assert page.count('<details class="case') == len(result.flips)
    assert "<script" not in page
    assert OLD in page
    assert NEW in page


@pytest.mark.parametrize(("counts", "low", "high"), [((80, 5, 5, 10), 250, 350), ((90, 3, 3, 4), 150, 220)])
def test_a_drop_of_five_points_takes_some_hundred_cases(
    counts: tuple[int, int, int, int], low: int, high: int
) -> None:
    assert low <= cases_needed(Paired(*counts), 0.05) <= high
