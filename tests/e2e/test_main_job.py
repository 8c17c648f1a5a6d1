"""The main job, from one command, in a clean clone with an empty home."""

import json
import re
from pathlib import Path

import pytest

from tests.support.new_user import DefaultRun, Inv


@pytest.fixture(scope="module")
def trained(default_run: DefaultRun) -> str:
    """`./inv train` on the smallest model. What it printed."""
    return default_run.finished(timeout=840)


@pytest.fixture(scope="module")
def run(trained: str) -> Path:
    """The folder of that run."""
    return named_in(trained)


@pytest.fixture(scope="module")
def again(trained: str, inv: Inv) -> Path:
    """The folder of the same asked for once more."""
    done = inv("train", "--recipe", "tiny")
    assert done.returncode == verdict_code(named_in(trained)), done.stderr[-2000:]
    return named_in(done.stdout)


def verdict_code(run: Path) -> int:
    """The exit code that the run's required gates ask for, read from the verdicts that it saved."""
    gates = json.loads((run / "scores" / "verdict.json").read_text())["gates"]
    required = {gate["verdict"].upper() for gate in gates if gate["required"]}
    return 1 if "FAIL" in required else 3 if "INCONCLUSIVE" in required else 0


def named_in(printed: str) -> Path:
    """The run folder whose report a run named at its end."""
    named = re.search(r"^report +(\S+)$", printed, re.MULTILINE)
    assert named, printed[-2000:]
    return Path(named.group(1)).parent


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestTheDefaultRun:
    def test_its_exit_code_is_its_gates_verdict_and_it_says_where_the_report_is(
        self, trained: str, run: Path, checkout: Path, default_run: DefaultRun
    ) -> None:
        assert (run / "report.html").is_file()
        assert run.parent == checkout / "runs"
        code = verdict_code(run)
        assert default_run.process.returncode == code
        assert f"quantized: {'PASS' if code == 0 else 'INCONCLUSIVE'}" in trained

    def test_every_number_comes_with_n_and_an_interval(self, run: Path) -> None:
        summary = (run / "summary.md").read_text()
        for metric in ("beats_base", "fidelity", "overall", "discrimination", "fields_used"):
            assert metric in summary.lower().replace(" ", "_"), metric
        assert "95 %" in summary

    def test_it_has_more_right_than_its_base_on_both_suites(self, run: Path) -> None:
        for suite in ("navigation", "field_access"):
            base = json.loads((run / "scores" / "base" / f"{suite}.json").read_text())
            tuned = json.loads((run / "scores" / "quantized" / f"{suite}.json").read_text())
            assert base["metrics"]["overall"]["n"] == tuned["metrics"]["overall"]["n"] >= 25
            assert tuned["metrics"]["overall"]["k"] > base["metrics"]["overall"]["k"]

    def test_progress_was_visible_without_a_terminal(self, trained: str) -> None:
        for stage in ("train", "fuse", "quantize", "fidelity", "predict"):
            assert stage in trained

    def test_a_second_run_of_the_same_does_no_stage_again(self, run: Path, again: Path) -> None:
        assert again != run
        assert (again / "events.jsonl").read_text().count('"stage_reused"') == 5

    def test_its_predictions_score_the_same_again(self, run: Path, inv: Inv) -> None:
        done = inv(
            "score", "--predictions", str(run / "predictions/quantized/navigation.jsonl"), "--json", "-"
        )
        assert done.returncode == 0, done.stderr
        saved = json.loads((run / "scores/quantized/navigation.json").read_text())
        assert json.loads(done.stdout)["metrics"] == saved["metrics"]

    def test_it_can_be_promoted_and_rolled_back_on_record(self, run: Path, again: Path, inv: Inv) -> None:
        force: list[str] = []
        if verdict_code(run):
            force = ["--force", "--why", "a trial of the command"]
            refused = inv("promote", "--run", run.name)
            assert refused.returncode in (1, 3), refused.stdout + refused.stderr
            assert f"in use: {run.name}" not in inv("models").stdout
        for name in (run.name, again.name):
            promoted = inv("promote", "--run", name, *force)
            assert promoted.returncode == 0, promoted.stdout + promoted.stderr
            assert f"in use: {name}" in inv("models").stdout
        back = inv("rollback")
        assert back.returncode == 0, back.stdout + back.stderr
        listed = inv("models").stdout
        assert f"in use: {run.name}" in listed
        assert "rolled back" in listed

    def test_a_run_compared_with_itself_shows_no_difference(self, run: Path, inv: Inv) -> None:
        done = inv("compare", "--a", run.name, "--b", run.name, "--json", "-")
        assert done.returncode in (0, 3), done.stderr
        assert json.loads(done.stdout)["verdict"] != "better"

    def test_its_scores_can_be_asked_in_sql(self, run: Path, inv: Inv) -> None:
        done = inv("sql", f"SELECT count(*) AS n FROM scores WHERE run = '{run.name}'", "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["n"] >= 1


def runs_of(checkout: Path, recipe: str) -> set[Path]:
    """The runs of a recipe; the default run may be beginning at the same time."""
    return set((checkout / "runs").glob(f"*-{recipe}-*"))


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "empty"),
            (
                b'{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}\n{"mess',
                ":2",
            ),
        ],
        ids=["empty file", "torn last line"],
    )
    def test_a_broken_dataset_stops_before_anything_is_trained(
        self, inv: Inv, checkout: Path, tmp_path: Path, content: bytes, says: str
    ) -> None:
        for split in ("train", "valid"):
            (tmp_path / f"{split}.jsonl").write_bytes(content)
        before = runs_of(checkout, "quick")
        done = inv("train", "--data", str(tmp_path), "--recipe", "quick")
        assert done.returncode in (1, 2), done.stderr
        assert says in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert runs_of(checkout, "quick") == before

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_a_dataset_without_a_valid_split_gets_one_that_shares_no_request(
        self, inv: Inv, checkout: Path, tmp_path: Path, idle_host: None
    ) -> None:
        assert inv("data.generate", "--recipe", "quick").returncode == 0
        (tmp_path / "train.jsonl").write_bytes((checkout / "data" / "quick" / "train.jsonl").read_bytes())
        before = runs_of(checkout, "quick")
        done = inv("train", "--data", str(tmp_path), "--recipe", "quick", "--force")
        assert done.returncode in (0, 1, 3), done.stdout + done.stderr
        assert "rows held out" in done.stderr
        [run] = runs_of(checkout, "quick") - before
        asked = {
            split: {
                request_of(line) for line in (run / f"inputs/data/{split}.jsonl").read_text().splitlines()
            }
            for split in ("train", "valid")
        }
        assert asked["valid"]
        assert not asked["train"] & asked["valid"]


def request_of(line: str) -> str:
    """The first thing that the user says in a row."""
    return next(m["content"] for m in json.loads(line)["messages"] if m["role"] == "user")
