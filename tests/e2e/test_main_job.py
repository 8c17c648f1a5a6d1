"""The main job, from one command, in a clean clone with an empty home."""

import json
import re
from pathlib import Path

import pytest

from tests.support.new_user import DefaultRun, Inv


@pytest.fixture(scope="module")
def trained(default_run: DefaultRun) -> str:
    """`./inv train`, with nothing said: the embedded default. What it printed."""
    return default_run.finished(timeout=840)


def latest(checkout: Path, recipe: str = "tiny") -> Path:
    return max((checkout / "runs").glob(f"*-{recipe}-*"))


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestTheDefaultRun:
    def test_it_passes_its_own_gates_and_says_where_the_report_is(self, trained: str, checkout: Path) -> None:
        named = re.search(r"^report +(\S+)$", trained, re.MULTILINE)
        assert named, trained[-2000:]
        report = Path(named.group(1))
        assert report.is_file()
        assert report.parent.parent == checkout / "runs"
        assert "PASS" in trained

    def test_every_number_comes_with_n_and_an_interval(self, trained: str, checkout: Path) -> None:
        summary = (latest(checkout) / "summary.md").read_text()
        for metric in ("beats_base", "fidelity", "overall", "discrimination", "field_access"):
            assert metric in summary.lower().replace(" ", "_"), metric
        assert "95 %" in summary

    def test_it_beats_its_base_on_both_suites_at_one_in_a_hundred(self, trained: str, checkout: Path) -> None:
        scores = latest(checkout) / "scores"
        for suite in ("navigation", "field_access"):
            base = json.loads((scores / "base" / f"{suite}.json").read_text())
            tuned = json.loads((scores / "quantized" / f"{suite}.json").read_text())
            assert base["metrics"]["overall"]["n"] == tuned["metrics"]["overall"]["n"] >= 25
            assert tuned["metrics"]["overall"]["k"] > base["metrics"]["overall"]["k"]

    def test_progress_was_visible_without_a_terminal(self, trained: str) -> None:
        for stage in ("train", "fuse", "quantize", "fidelity", "predict"):
            assert stage in trained

    def test_a_second_run_of_the_same_does_no_stage_again(
        self, trained: str, inv: Inv, checkout: Path
    ) -> None:
        again = inv("train")
        assert again.returncode == 0, again.stderr[-2000:]
        events = (latest(checkout) / "events.jsonl").read_text()
        assert events.count('"stage_reused"') == 5

    def test_its_predictions_score_the_same_again(self, trained: str, inv: Inv, checkout: Path) -> None:
        run = latest(checkout)
        done = inv(
            "score", "--predictions", str(run / "predictions/quantized/navigation.jsonl"), "--json", "-"
        )
        assert done.returncode == 0, done.stderr
        saved = json.loads((run / "scores/quantized/navigation.json").read_text())
        assert json.loads(done.stdout)["metrics"] == saved["metrics"]

    def test_it_can_be_promoted_and_rolled_back_on_record(
        self, trained: str, inv: Inv, checkout: Path
    ) -> None:
        assert inv("promote").returncode == 0
        assert latest(checkout).name in inv("models").stdout

    def test_a_run_compared_with_itself_shows_no_difference(
        self, trained: str, inv: Inv, checkout: Path
    ) -> None:
        name = latest(checkout).name
        done = inv("compare", "--a", name, "--b", name, "--json", "-")
        assert done.returncode in (0, 3), done.stderr
        assert json.loads(done.stdout)["verdict"] != "better"

    def test_its_scores_can_be_asked_in_sql(self, trained: str, inv: Inv) -> None:
        done = inv("sql", "SELECT count(*) AS n FROM runs", "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["n"] >= 1


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
        before = set((checkout / "runs").glob("*"))
        done = inv("train", "--data", str(tmp_path))
        assert done.returncode in (1, 2), done.stderr
        assert says in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert set((checkout / "runs").glob("*")) == before

    def test_a_dataset_without_a_valid_split_is_refused(
        self, inv: Inv, checkout: Path, tmp_path: Path
    ) -> None:
        assert inv("data.generate", "--recipe", "quick").returncode == 0
        (tmp_path / "train.jsonl").write_bytes((checkout / "data" / "quick" / "train.jsonl").read_bytes())
        before = set((checkout / "runs").glob("*"))
        done = inv("train", "--data", str(tmp_path), "--recipe", "quick", "--force")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "valid" in done.stderr
        assert set((checkout / "runs").glob("*")) == before
