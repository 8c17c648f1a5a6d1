"""May the new model replace the old one?"""

import json
import re
from pathlib import Path
from random import Random

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.gold import answer, gold
from tests.support.made_run import make_run
from tunewright.contract.atomic import sha256_file, write_jsonl
from tunewright.contract.errors import ExitCode, UserError
from tunewright.contract.run import RunFolder
from tunewright.eval.comparison import Comparison, cases_for_equal, cases_needed, compare_runs
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
    assert re.search(
        r"the one seen \(-2\.5 points\), about 4,\d{3} cases .* worse; there are 120", result.reason
    )


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


def test_the_text_as_a_whole(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    assert compared(tmp_path, 0.6, 0.95).to_text() == snapshot


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


def test_the_cases_needed_follow_from_the_difference_that_was_seen() -> None:
    """By simulating: as many cases as are named exclude the drop in about four of five studies, a third of them do not."""
    seen = Paired(78, 11, 14, 17)  # +2.5 points of 120
    needed = cases_needed(seen, seen.difference + 0.05, observed=seen.difference)
    random = Random(1)

    def excluded(n: int, rounds: int = 400) -> float:
        weights = (seen.both, seen.only_a, seen.only_b, seen.neither)
        found = 0
        for _ in range(rounds):
            drawn = random.choices(range(4), weights, k=n)
            found += Paired(*(drawn.count(kind) for kind in range(4))).interval[0] > -0.05
        return found / rounds

    assert 0.72 < excluded(needed) < 0.9
    assert excluded(needed // 3) < 0.5


@pytest.mark.parametrize(("every", "wanted"), [(2, "INCONCLUSIVE"), (1, "NOT WORSE")])
def test_equal_results_say_how_large_a_drop_is_still_possible(
    tmp_path: Path, every: int, wanted: str
) -> None:
    run = make_run(tmp_path, every=every)
    result = compare_runs(run, run)
    n = result.total.n
    assert n == 120 // every
    assert result.verdict == wanted
    drop = 100 * (1 - 0.025 ** (1 / n))
    assert f"equal on all {n} cases, which still allows a drop of up to {drop:.1f} points" in result.reason
    if wanted == "INCONCLUSIVE":
        assert f"about {cases_for_equal()} equal cases would exclude it" in result.reason
    assert 1 - 0.025 ** (1 / cases_for_equal()) <= 0.05 < 1 - 0.025 ** (1 / (cases_for_equal() - 1))


def test_page_and_terminal_answer_the_same_questions(tmp_path: Path) -> None:
    result = compared(tmp_path, 0.95, 0.6)
    assert dict(result.rows())["may b replace a"] == ("no",)
    text, page = result.to_text(), result.to_html()
    for name, lines in result.rows():
        assert name in text
        assert f"<dt>{name}</dt>" in page
        for line in lines:
            assert line in text
            assert line.replace(">", "&gt;") in page.replace("&#43;", "+")


def test_cases_of_one_cluster_do_not_count_as_independent(tmp_path: Path) -> None:
    """Twelve cases of one template lost are one observation, not twelve."""
    a, b = make_run(tmp_path, run_id=OLD), make_run(tmp_path, run_id=NEW)
    lost = {f"workflow-{i:02}" for i in range(1, 13)}
    rewrite(a, "navigation", set())
    rewrite(b, "navigation", lost)
    for run in (a, b):
        rewrite(run, "field_access", set())
    assert compare_runs(a, b).verdict == "WORSE"
    for run in (a, b):
        path = run.suites / "navigation.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, ({**row, "cluster": row["category"]} for row in rows))
        spec = run.read_spec()
        run.write_spec(spec.model_copy(update={"suites": {**spec.suites, "navigation": sha256_file(path)}}))
    assert compare_runs(a, b).verdict != "WORSE"
