"""The report and the summary say what the run's files say, and let no answer do anything."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.gold import ROOT
from tests.support.made_run import audit_report, make_run
from tests.support.page_text import page_text
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.manifest import write_manifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.run import Forced, RunFolder
from tunewright.eval.forgetting import read_forgetting
from tunewright.eval.live import may_go_live
from tunewright.eval.promotion import promote_run
from tunewright.eval.report import write_report
from tunewright.eval.run_scores import score_run
from tunewright.eval.score_text import scores_text

HOSTILE = (
    "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    "<style>*{display:none}</style>{{ 7*7 }}&lt;\x00\x1b[2J\u202eevil"
)


def reported(run: RunFolder) -> tuple[str, str]:
    html, summary = write_report(run, score_run(run))
    return html.read_text(encoding="utf-8"), summary.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects what a browser would see as tags, and refuses a page whose tags do not close."""

    VOID = frozenset({"meta", "br", "col", "input", "line", "rect", "polyline", "img", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def poisoned(tmp_path: Path, text: str = HOSTILE) -> RunFolder:
    """A run in which everything that a stranger can write is hostile."""
    audit = audit_report()
    audit["findings"][0]["message"] = text
    audit["findings"][0]["rows"] = [{"file": text, "line": 1}]
    run = make_run(tmp_path, audit=audit, forced=Forced(by=text, reasons=(text,)))
    for path in run.predictions.rglob("*.jsonl"):
        cases = [f"{category}-01" for category in ("workflow", "multistep", "discrimination")]
        known = path.read_text(encoding="utf-8")
        write_jsonl(path, [{"case": case, "text": text} for case in cases if f'"{case}"' in known])
    return run


def test_no_answer_can_become_markup(tmp_path: Path) -> None:
    page, summary = reported(poisoned(tmp_path))
    tags = Tags(page)
    assert tags.open == []
    assert (
        set(tags.names) & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "a"} == set()
    )
    assert tags.names.count("style") == 1
    assert not [
        name for _, name, _ in tags.attributes if name.startswith("on") or name in ("src", "href", "style")
    ]
    assert "⟦U+0000⟧⟦U+001B⟧[2J⟦U+202E⟧evil" in page
    assert "{{ 7*7 }}" in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e]", page + summary)
    assert "<script" not in summary
    assert "<img" not in summary


def test_the_policy_allows_one_style_by_its_hash_and_nothing_else(tmp_path: Path) -> None:
    import base64
    import hashlib

    page, _ = reported(make_run(tmp_path))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert (
        policy[1] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert not re.search(r"url\(|@import|https?://", page)


def test_a_forced_run_says_by_whom_and_why_at_the_top(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, forced=Forced(by="ada", reasons=("split.leak_query: 31 requests leak", "second"))
    )
    page, summary = reported(run)
    banner = page.index("Forced past a failed audit")
    assert banner < page.index("<h2>Gates</h2>")
    assert "<b>ada</b>" in page[banner : banner + 300]
    assert "split.leak_query: 31 requests leak" in page
    assert "**Forced past a failed audit** by ada" in summary
    assert "> - split.leak\\_query: 31 requests leak" in summary
    assert summary.index("Forced past") < summary.index("## Gates")


def test_page_summary_and_terminal_say_the_same_of_going_live(tmp_path: Path) -> None:
    for number, (tuned, answer) in enumerate(((1.0, "yes"), (0.9, "not known"), (0.5, "no"))):
        run = make_run(tmp_path / str(number), tuned=tuned)
        scores = score_run(run)
        rows = dict(may_go_live(scores).rows())
        assert rows["may it go live"] == (answer,)
        assert (scores.badge == "PASS") == (answer == "yes")
        page, summary = reported(run)
        text = scores_text(scores)
        assert f"<dt>may it go live</dt><dd><div><b>{answer}</b></div></dd>" in page
        assert f"- **may it go live**: {answer}\n" in summary
        assert f"may it go live  {answer}\n" in text
        assert page.index("may it go live") < page.index("<h2>Gates</h2>")
        for line in rows["which cases"]:
            assert line in page
            assert line in text


def test_a_forced_run_may_not_go_live_whatever_its_gates_say(tmp_path: Path) -> None:
    run = make_run(tmp_path, tuned=1.0, forced=Forced(by="ada", reasons=("leak",)))
    scores = score_run(run)
    assert scores.verdict == "PASS"
    assert scores.badge == "its gates pass; forced past a failed audit"
    assert may_go_live(scores).answer == "no"


def test_the_summary_as_a_whole_where_much_is_not_known(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    _, summary = reported(make_run(tmp_path, audit=audit_report("warn")))
    for table in re.findall(r"(?:^\|.*\n)+", summary, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert summary == snapshot


MEASURED = {"rows": 24, "tokens": 1234, "before": 2.104, "after": 2.451, "delivered": 2.466}
PREPARATION = {
    "structure": {
        "examples": 400,
        "before": {"system": 0, "earlier": 20},
        "after": {"system": 400, "earlier": 148},
    },
    "read": 300,
    "dropped": {"longer than 704 tokens": 3, "a call cannot be read": 2},
    "shapes": {"sharegpt": 295},
    "dialects": {"hermes_json": 200},
    "held_out": "cut off by cluster",
    "calls_as": "hermes_json",
    "one_call_a_turn": 7,
    "calls_left_out": 2,
}


def test_page_and_summary_as_a_whole_where_everything_is_known(
    tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    audit = audit_report("warn") | {"accepted": [{"check": "balance.tool", "why": "rare on purpose"}]}
    measured = {
        "agreement": 0.98,
        "tokens": 2048,
        "forgetting": MEASURED | {"answered_by": ["embedded:tiny<b>"]},
    }
    run = make_run(tmp_path, audit=audit, fidelity=measured, every=20)
    run.write_spec(run.read_spec().model_copy(update={"preparation": PREPARATION}))
    call = {"function": {"name": "f", "arguments": {}}}
    asked = [{"role": "system", "content": "You help."}, {"role": "user", "content": "Where?"}]
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    write_jsonl(run.data / "train.jsonl", [{"messages": [*asked, called]}, {"messages": said}])
    sizes = {"bits_per_weight": 5.502, "bytes": 1_400_000, "float_bytes": 4_000_000}
    write_manifest(run.stage("quantize"), "q" * 64, sizes)
    trained = {"parameters": 217_088, "validation_before": 2.5, "validation_best": 0.5}
    write_manifest(run.stage("train"), "t" * 64, trained)
    page, summary = reported(run)
    assert Tags(page).open == []
    assert page_text(page) == snapshot(name="page")
    assert summary == snapshot(name="summary")


def test_the_summary_compares_with_the_model_in_use(tmp_path: Path) -> None:
    old, new = "20261123-093000-tiny-0a1b2c3d", "20261124-093000-tiny-ffffffff"
    first = make_run(tmp_path / "runs", run_id=old, tuned=0.8)
    promote_run(tmp_path / "models", first, by="ada")
    run = make_run(tmp_path / "runs", run_id=new, tuned=1.0)
    write_report(run, score_run(run, old), tmp_path / "models")
    summary = run.summary.read_text(encoding="utf-8")
    assert f"The model in use is {old}." in summary
    assert (
        "| suite | base | in use | quantized | points gained on the base | points gained on the model in use |"
        in summary
    )
    promote_run(tmp_path / "models", run, by="ada")
    summary = run.summary.read_text(encoding="utf-8")
    assert "**Promoted** by ada" in summary
    assert f"- against {old}: BETTER" in summary
    assert f"The model in use is {old}." in summary


def test_a_run_that_holds_little_is_reported_all_the_same(tmp_path: Path) -> None:
    """No base, no audit, no events, no fidelity, no gate that decides."""
    run = make_run(tmp_path, base=None)
    run.events.unlink()
    (run.stage("fidelity") / "manifest.json").unlink()
    (run.stage("fidelity") / "fidelity.json").unlink()
    spec = run.read_spec()
    gates = tuple(gate for gate in spec.recipe.gates if not gate.required)
    run.write_spec(spec.model_copy(update={"recipe": spec.recipe.model_copy(update={"gates": gates})}))
    page, summary = reported(run)
    assert "This run holds no audit." in page
    assert "has no gate that decides" in page
    assert "<h2>Loss</h2>" not in page
    assert "No gate of this recipe decides." in summary


def test_forgetting_that_was_not_measured_is_not_shown(tmp_path: Path) -> None:
    facts = {"agreement": 0.98, "tokens": 2048}
    assert "forgetting" not in "".join(reported(make_run(tmp_path, fidelity=facts, every=20)))


@pytest.mark.parametrize("wrong", [{}, None, 3, {**MEASURED, "after": "nan"}, {**MEASURED, "rows": "<i>"}])
def test_a_host_that_measured_nonsense_is_shown_no_forgetting(wrong: Any) -> None:
    assert read_forgetting({"forgetting": wrong}) is None


@pytest.mark.parametrize(
    "audit",
    [
        {},
        {"findings": "no"},
        {"findings": [3, {}]},
        {"headline": [], "dataset": 4},
        {"headline": {"majority": "x"}},
    ],
)
def test_an_audit_of_another_shape_is_shown_as_far_as_it_goes(tmp_path: Path, audit: dict[str, Any]) -> None:
    page, _ = reported(make_run(tmp_path, audit=audit))
    assert "<h2>Audit of the data</h2>" in page


def test_a_huge_answer_is_cut_and_says_so(tmp_path: Path) -> None:
    page, _ = reported(poisoned(tmp_path, "<b>" * 400_000))
    assert len(page) < 3_000_000
    assert "⟦1,180,000 more characters⟧" in page


def test_every_sample_of_a_case_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    path = run.predictions / "quantized" / "navigation.jsonl"
    rows = [{"case": "workflow-01", "sample": sample, "text": f"sample-{sample}-says"} for sample in range(3)]
    write_jsonl(path, rows)
    page, _ = reported(run)
    for sample in range(3):
        assert f"sample-{sample}-says" in page


def test_every_key_of_a_recipe_and_every_metric_is_on_the_page_of_formats() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    recipe = page[page.index("## recipe") : page.index("## suite")]

    def keys(model: Any) -> list[str]:
        found: list[str] = []
        for name, field in model.model_fields.items():
            kind = field.annotation
            found += keys(kind) if hasattr(kind, "model_fields") else [field.alias or name]
        return found

    for key in keys(Recipe):
        assert re.search(rf"\b{key}\b", recipe), key
    for metric in ("overall", "discrimination", "fields_used", "parses", "stable"):
        assert f"| `{metric}` |" in page
