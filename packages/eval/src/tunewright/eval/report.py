"""`report.html` and `summary.md` of a scored run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tunewright.contract.atomic import write_text
from tunewright.contract.encoding import tool_tokens_text
from tunewright.contract.errors import UserError
from tunewright.contract.example import Message
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.contract.suite import Case, Expectation
from tunewright.contract.visible import one_line
from tunewright.eval.audit_view import view_audit
from tunewright.eval.charts import loss_chart, share_bars
from tunewright.eval.forgetting import read_forgetting
from tunewright.eval.gains import gains_text
from tunewright.eval.gates import paired_scores, said_difference
from tunewright.eval.grade_answer import Outcome, said
from tunewright.eval.history import History, read_history
from tunewright.eval.live import may_go_live
from tunewright.eval.page_style import render_report
from tunewright.eval.registry import Entry, promoted_runs, read_registry
from tunewright.eval.run_scores import RunScores, judge_run, read_json_object
from tunewright.eval.score_text import MOST_TOOLS
from tunewright.eval.served_calls import server_lines
from tunewright.eval.statistics import Paired, Proportion
from tunewright.eval.suite_score import SuiteScore
from tunewright.eval.summary import InUse, render_summary, stage_facts


@dataclass(frozen=True)
class BarRow:
    name: str
    tuned: str
    base: str
    svg: Markup
    whole: bool  # over the whole suite, not one category


@dataclass(frozen=True)
class CaseView:
    id: str
    line: str
    messages: tuple[Message, ...]
    asked: tuple[str, ...]
    tuned: tuple[Outcome, ...]
    base: tuple[Outcome, ...]

    @property
    def right(self) -> bool:
        return self.tuned[0].passed

    @property
    def kinds(self) -> str:
        """Classes that the filters go by."""
        kinds = ["is-good" if self.right else "is-bad"]
        if self.base and self.base[0].passed != self.right:
            kinds.append("is-gained" if self.right else "is-lost")
        return " ".join(kinds)


@dataclass(frozen=True)
class SuiteView:
    title: str
    tuned: SuiteScore
    base: SuiteScore | None
    rows: tuple[BarRow, ...]
    cases: tuple[CaseView, ...]
    paired: Paired | None
    said: str
    gained: str  # what the base lacked in the cases gained
    has_target: bool
    server: tuple[str, ...] = ()  # what its parser makes of the answers, where calls are compared


def write_report(run: RunFolder, scores: RunScores, models: Path | None = None) -> tuple[Path, Path]:
    """Write `report.html` and `summary.md` into the run's folder, atomically; return their paths. `models` is the
    registry's folder."""
    spec = run.read_spec()
    history = read_history(run.read_events())
    audit = view_audit(read_json_object(run.audit))
    facts = run_facts(spec, history, scores)
    suites = [_suite_view(scores, name) for name in scores.suites]
    html = render_report(
        "report.html.jinja",
        _filter_style(len(suites)),
        scores=scores,
        live=may_go_live(scores),
        spec=spec,
        suites=suites,
        required=[result for result in scores.gates if result.gate.required],
        optional=[result for result in scores.gates if not result.gate.required],
        fidelity=next((r for r in scores.gates if r.gate.metric == "fidelity" and r.value is not None), None),
        forgetting=read_forgetting(stage_facts(run, history).get("fidelity", {})),
        history=history,
        chart=loss_chart(history.training, history.validation),
        lowest=min((loss for _, loss in history.validation), default=0.0),
        audit=audit,
        facts=facts,
    )
    write_text(run.report, html)
    return run.report, write_summary(run, scores, models)


def write_summary(run: RunFolder, scores: RunScores, models: Path | None = None) -> Path:
    """Write `summary.md` into the run's folder, atomically; return its path. `models` is the registry's folder."""
    spec = run.read_spec()
    history = read_history(run.read_events())
    audit = view_audit(read_json_object(run.audit))
    entries = read_registry(models) if models else []
    facts = run_facts(spec, history, scores)
    before = _model_before(run, entries)
    write_text(run.summary, render_summary(run, spec, scores, history, audit, facts, entries, before))
    return run.summary


def _model_before(run: RunFolder, entries: Sequence[Entry]) -> InUse | None:
    """The model in use, or the one that was before this run's came into use."""
    others = [name for name in promoted_runs(entries) if name != run.path.name]
    if not others:
        return None
    other = RunFolder(run.path.parent / others[-1])
    try:
        return InUse(others[-1], judge_run(other).tuned)
    except UserError as error:
        return InUse(others[-1], {}, error.message)


def _filter_style(suites: int) -> str:
    """The case list is filtered by style alone: no script runs in a report."""
    rules = [
        f"body:has(#show-{kind}:checked) .case:not(.is-{kind}) {{ display: none; }}"
        for kind in ("bad", "good", "gained", "lost")
    ]
    rules += [
        f"body:has(#suite-{number}:checked) .case:not(.in-{number}) {{ display: none; }}"
        for number in range(suites)
    ]
    return "\n".join(rules) + "\n"


def _suite_view(scores: RunScores, name: str) -> SuiteView:
    tuned = scores.tuned[name]
    base = scores.control[name] if scores.control else None
    targets = {
        r.gate.measures: r.gate.target
        for r in scores.gates
        if r.gate.suite == name and r.gate.measures in tuned.headline and not (r.gate.category or r.gate.tool)
    }
    rows = [
        _bar_row(
            metric.replace("_", " "),
            tuned.metric(metric),
            base.metric(metric) if base else None,
            targets.get(metric),
            True,
        )
        for metric in tuned.headline
    ]
    parts = [(f"in {name.replace('_', ' ')}", "categories", name) for name in tuned.categories]
    parts += [(f"calls of {name}", "tools", name) for name in list(tuned.tools)[:MOST_TOOLS]]
    for title, kind, part in parts:
        control = getattr(base, kind).get(part) if base else None
        rows.append(_bar_row(title, getattr(tuned, kind)[part], control, None, False))
    paired = paired_scores(base, tuned) if base else None
    return SuiteView(
        name.replace("_", " "),
        tuned,
        base,
        tuple(rows),
        tuple(_case_view(case, tuned, base) for case in scores.suites[name].cases),
        paired,
        said_difference(paired) if paired else "",
        gains_text(scores.gained(name)),
        bool(targets),
        tuple(server_lines(tuned.firsts, tuned.served_differently)) if tuned.by_calls else (),
    )


def _bar_row(
    name: str, tuned: Proportion, base: Proportion | None, target: float | None, whole: bool
) -> BarRow:
    svg = Markup(share_bars(tuned, base, target))  # noqa: S704 - made of numbers alone
    return BarRow(name, str(tuned), str(base) if base else "", svg, whole)


def _case_view(case: Case, tuned: SuiteScore, base: SuiteScore | None) -> CaseView:
    return CaseView(
        case.id,
        one_line(case.messages[-1].content, 160),
        case.messages,
        tuple(describe_calls(case) if case.gold_calls else describe_expectation(case.expect)),
        _of_case(tuned, case.id),
        _of_case(base, case.id) if base else (),
    )


def _of_case(score: SuiteScore, case: str) -> tuple[Outcome, ...]:
    return tuple(outcome for outcome in score.outcomes if outcome.case == case)


def describe_calls(case: Case) -> list[str]:
    """The right answers of a case that is judged by its calls, each in a line."""
    return [
        " and ".join(
            f"calls {call.function.name}({json.dumps(call.function.arguments, ensure_ascii=False)})"
            for call in answer.tool_calls
        )
        or "an answer in words, without a call"
        for answer in case.gold_calls
    ]


def describe_expectation(expect: Expectation) -> list[str]:
    """What a case asks for, in sentences."""
    if not expect.tools:
        return ["an answer in words, without a call"]
    lines = [f"calls {', then '.join(expect.tools)}, and nothing else"]
    for tool, arguments in expect.arguments.items():
        lines.append(f"{tool} gets {', '.join(f'{name} {said(value)}' for name, value in arguments.items())}")
    lines += [f"makes use of {' or '.join(entry.split('|'))}" for entry in expect.fields]
    for entry in expect.control:
        kind, _, tool = entry.partition(":")
        what = "a condition" if kind == "if" else "a loop"
        lines.append(f"{what} depends on a result{f', and {tool} is called under it' if tool else ''}")
    return lines


def run_facts(spec: RunSpec, history: History, scores: RunScores) -> list[tuple[str, str]]:
    """What somebody needs to know to judge a run or to repeat it, as (name, value)."""
    recipe = spec.recipe
    train = recipe.train
    layers = "all layers" if train.layers < 0 else f"{train.layers} layers"
    pace = f"{train.steps} steps of {train.batch_size}, learning rate {train.learning_rate:g}"
    facts: list[tuple[str, str]] = [
        ("recipe", f"{recipe.name}, seed {recipe.seed}"),
        ("base model", recipe.model.base + (f" at {recipe.model.revision}" if recipe.model.revision else "")),
        (
            "LoRA",
            f"rank {train.rank}, scale {train.scale:g}, {layers}",
        ),
        (
            "training",
            f"{pace}, loss on {train.mask}",
        ),
        ("quantized to", f"{recipe.quantize.bits} bits, groups of {recipe.quantize.group_size}"),
        ("data", spec.dataset or "as shipped"),
        *preparation_facts(spec.preparation),
        *((f"{split} sha256", digest) for split, digest in spec.data.items()),
        *((f"suite {name} sha256", digest) for name, digest in spec.suites.items()),
        ("environment", spec.environment),
        ("git commit", spec.git_commit or "not known"),
        (
            "versions",
            ", ".join(f"{name} {version}" for name, version in spec.versions.items()) or "not known",
        ),
        ("started", spec.created),
        ("host", spec.host),
        ("stages", _stages(history.seconds, history.reused)),
    ]
    if history.tokens:
        pace = f", {history.tokens_per_second:,.0f} a second" if history.tokens_per_second else ""
        facts.append(("tokens trained", f"{history.tokens:,}{pace}"))
    if tools := history.tool_tokens or tool_tokens_text(spec.preparation.get("tool_tokens")):
        facts.append(("tokens trained by tool", tools))
    if history.peak_memory:
        facts.append(("peak memory", f"{history.peak_memory / 1e9:.2f} GB"))
    answered = sum(score.tokens for suites in scores.scores.values() for score in suites.values())
    if answered:
        facts.append(("tokens answered", f"{answered:,}"))
    return facts


def preparation_facts(preparation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the rows were prepared, as (name, value): shapes, what was left out and why, and how calls are written."""
    counts = {
        key: ", ".join(f"{name} {count}" for name, count in value.items())
        for key in ("shapes", "dialects", "dropped")
        if isinstance(value := preparation.get(key), dict)
    }
    facts: list[tuple[str, str]] = []
    if read := preparation.get("read"):
        facts.append(("rows read", f"{read:,} ({counts.get('shapes') or 'of no known shape'})"))
        facts.append(("rows left out", counts.get("dropped") or "none"))
    if counts.get("dialects"):
        facts.append(("calls in the data", counts["dialects"]))
    if held_out := preparation.get("held_out"):
        facts.append(("validation split", str(held_out)))
    if written := preparation.get("calls_as"):
        facts.append(
            ("calls as text", f"{written}: the base's chat template has no place for tools or calls")
        )
    if several := preparation.get("one_call_a_turn"):
        left = preparation.get("calls_left_out", 0)
        facts.append(("one call a turn", f"{several:,} rows had several in one; {left:,} calls left out"))
    return facts


def _stages(seconds: Sequence[tuple[str, float]], reused: Sequence[str]) -> str:
    told = [f"{stage} {_time(value)}" for stage, value in seconds] + [f"{stage} reused" for stage in reused]
    return ", ".join(told) or "not known"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
