"""`summary.md`: a deployment summary to be pasted into a pull request."""

from collections.abc import Iterable, Sequence

from tunewright.contract.run import RunSpec
from tunewright.contract.visible import markdown_cell
from tunewright.eval.audit_view import AuditView
from tunewright.eval.gates import GateResult, paired_scores, said_difference
from tunewright.eval.history import History
from tunewright.eval.run_scores import RunScores


def render_summary(
    spec: RunSpec,
    scores: RunScores,
    history: History,
    audit: AuditView | None,
    facts: Sequence[tuple[str, str]],
) -> str:
    """Verdict, gates with n and intervals, base against tuned, what was trained, cost; forced or not."""
    lines = [f"# {spec.recipe.name}: {scores.badge}", "", _opening(spec, scores), ""]
    if spec.forced:
        lines += [
            f"> **Forced past a failed audit** by {markdown_cell(spec.forced.by)}. The figures may rest on what it found:",
            ">",
            *(f"> - {markdown_cell(reason)}" for reason in spec.forced.reasons),
            "",
        ]
    required = [result for result in scores.gates if result.gate.required]
    beside = [result for result in scores.gates if not result.gate.required]
    lines += (
        ["## Gates", "", *_gate_table(required), ""] if required else ["No gate of this recipe decides.", ""]
    )
    if beside:
        lines += ["Targets beside them, which decide nothing:", "", *_gate_table(beside), ""]
    lines += ["## Scores", "", *_score_table(scores), ""]
    lines += ["## Audit of the data", "", _audit_line(audit), ""]
    lines += [
        "## What was trained",
        "",
        *(f"- {name}: {markdown_cell(value, 600)}" for name, value in facts),
        "",
    ]
    lines += ["## Cost", "", _cost(history), ""]
    return "\n".join(lines)


def _opening(spec: RunSpec, scores: RunScores) -> str:
    forced = "forced" if spec.forced else "not forced"
    control = ", compared with its base on the same cases" if scores.base else ""
    return f"Run `{scores.run}`, model `{scores.model}`{control}; {forced}. Intervals are Wilson's at 95 %."


def _gate_table(results: Iterable[GateResult]) -> list[str]:
    rows = [
        (result.verdict, *map(markdown_cell, (result.name, result.target, result.measured, result.reason)))
        for result in results
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return ["| verdict | gate | target | measured | why |", "|---|---|---|---|---|", *lines]


def _score_table(scores: RunScores) -> list[str]:
    heads = [
        "suite",
        *(["base"] if scores.base else []),
        scores.model,
        *(["difference"] if scores.base else []),
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, tuned in scores.tuned.items():
        base = scores.control[name] if scores.control else None
        title = markdown_cell(name.replace("_", " "))
        for metric in tuned.headline:
            cells = [f"{title}: {metric.replace('_', ' ')}"]
            if base:
                cells.append(markdown_cell(str(base.metric(metric))))
            cells.append(markdown_cell(str(tuned.metric(metric))))
            if base:
                cells.append(
                    markdown_cell(said_difference(paired_scores(base, tuned))) if metric == "overall" else ""
                )
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _audit_line(audit: AuditView | None) -> str:
    if audit is None:
        return "This run holds no audit."
    worst = [f for f in audit.findings if f.severity == "fail"]
    line = f"Verdict **{markdown_cell(audit.verdict)}**: {len(worst)} failed, {said_count(audit.count('warn'), 'warning')}."
    return "\n".join([line, *(f"- {markdown_cell(f.check)}: {markdown_cell(f.message)}" for f in worst[:10])])


def said_count(count: int, noun: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _cost(history: History) -> str:
    parts = [f"{history.minutes:.1f} minutes on the host"]
    if history.tokens:
        parts.append(f"{history.tokens:,} tokens trained on")
    if history.peak_memory:
        parts.append(f"{history.peak_memory / 1e9:.2f} GB at the peak")
    return ", ".join(parts) + "."
