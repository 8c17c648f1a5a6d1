"""`summary.md`: the deployment summary. It is pasted into a pull request and has to answer everything by itself: what is not
known is said as not known."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewright.chat.resample_structure import parts_of
from tunewright.contract.manifest import read_manifest
from tunewright.contract.run import RunFolder, RunSpec
from tunewright.contract.visible import markdown_cell
from tunewright.eval.audit_view import AuditView
from tunewright.eval.forgetting import read_forgetting
from tunewright.eval.gains import gains_text
from tunewright.eval.gates import GateResult, paired_scores, paired_together, said_difference
from tunewright.eval.history import History
from tunewright.eval.live import may_go_live
from tunewright.eval.registry import Entry
from tunewright.eval.run_scores import RunScores
from tunewright.eval.suite_score import SuiteScore

Scored = Mapping[str, SuiteScore]  # suite -> score
UNKNOWN = "not known"
PARTS = {
    "system": "a system message",
    "earlier": "further turns",
    "preamble": "a preamble",
    "call": "a tool call",
}


@dataclass(frozen=True)
class InUse:
    """The model that was in use before this run's, and its scores; without scores `why` says what is missing."""

    run: str
    tuned: Mapping[str, SuiteScore]
    why: str = ""


def render_summary(
    run: RunFolder,
    spec: RunSpec,
    scores: RunScores,
    history: History,
    audit: AuditView | None,
    facts: Sequence[tuple[str, str]],
    entries: Sequence[Entry] = (),
    before: InUse | None = None,
) -> str:
    """The whole page. `before` is None when no model is in use."""
    required = [result for result in scores.gates if result.gate.required]
    others = [result for result in scores.gates if not result.gate.required]
    found = stage_facts(run, history)
    gates = _gate_table(required) if required else ["No gate of this recipe decides."]
    if others:
        gates += ["", "Other targets, which decide nothing:", "", *_gate_table(others)]
    sections: list[tuple[str, Sequence[str]]] = [
        ("The problem", _problem(spec, scores)),
        ("Promotion", _promotions(scores, entries)),
        ("Gates", gates),
        ("Scores", _score_table(scores, before)),
        ("Seconds an answer", _seconds(scores, before)),
        ("Data", _data(run, spec)),
        ("Audit of the data", _audit(audit, spec)),
        ("Training", _training(history, found)),
        ("The model", _model(spec, found)),
        ("Dropped and forced", _dropped(run, spec, entries, scores)),
        ("Undecided", _undecided(scores, before)),
        ("Next steps", _next_steps(scores)),
        ("What was trained", [f"- {name}: {markdown_cell(value, 600)}" for name, value in facts]),
        ("Cost", [_cost(history), *_space(run, found)]),
    ]
    lines = [f"# {spec.recipe.name}: {scores.badge}", "", _opening(spec, scores), ""]
    lines += [
        f"- **{name}**: {'; '.join(map(markdown_cell, answers))}"
        for name, answers in may_go_live(scores).rows()
        if answers
    ]
    lines.append("")
    if spec.forced:
        lines += [
            f"> **Forced past a failed audit** by {markdown_cell(spec.forced.by)}. The figures may rest on what it found:",
            ">",
            *(f"> - {markdown_cell(reason)}" for reason in spec.forced.reasons),
            "",
        ]
    for title, content in sections:
        lines += [f"## {title}", "", *content, ""]
    return "\n".join(lines)


def stage_facts(run: RunFolder, history: History) -> dict[str, Mapping[str, Any]]:
    """What each stage found out, from its manifest where that is here, else from the events."""
    found = dict(history.facts)
    for stage in ("train", "quantize", "fidelity", "predict"):
        manifest = read_manifest(run.stage(stage))
        if manifest is not None and manifest.facts:
            found[stage] = manifest.facts
    return found


def _opening(spec: RunSpec, scores: RunScores) -> str:
    forced = "forced" if spec.forced else "not forced"
    control = ", compared with its base on the same cases" if scores.base else ""
    return f"Run `{scores.run}`, model `{scores.model}`{control}; {forced}. Intervals are Wilson's at 95 %."


def _problem(spec: RunSpec, scores: RunScores) -> list[str]:
    """What the base cannot do yet, by the targets."""
    base = markdown_cell(spec.recipe.model.base)
    if not scores.control:
        return [f"What {base} can do by itself is {UNKNOWN}: it did not answer the suites."]
    targets = {
        result.gate.suite: result.gate.target
        for result in scores.gates
        if result.gate.metric == "overall" and not (result.gate.category or result.gate.tool)
    }
    return [
        f"- {base} has {markdown_cell(str(score.overall))} right of {markdown_cell(name.replace('_', ' '))}; "
        + (f"the target is {targets[name]:.0%}." if name in targets else "the recipe sets no target for it.")
        for name, score in scores.control.items()
    ]


def _promotions(scores: RunScores, entries: Sequence[Entry]) -> list[str]:
    """What the registry says of this run: promotions, forced ones with their reason and objections, and rollbacks."""
    lines: list[str] = []
    for entry in (entry for entry in entries if entry.run == scores.run):
        done = "Promoted" if entry.action == "promoted" else "Rolled back"
        lines.append(
            f"**{done}{', forced' if entry.forced else ''}** by {markdown_cell(entry.by)}, "
            f"{entry.time[:19].replace('T', ' ')} UTC"
            + (f": {markdown_cell(entry.reason)}" if entry.reason else "")
            + f" (registry line {entry.seq}, sha256 {entry.sha256[:16]})"
        )
        lines += [f"- although {markdown_cell(reason)}" for reason in entry.evidence.get("objections", ())]
        if compared := entry.evidence.get("compared"):
            lines.append(
                f"- against {compared['with']}: {compared['verdict']}, {markdown_cell(compared['reason'])}"
            )
        if host := entry.evidence.get("host"):
            lines.append(f"- verified: {markdown_cell(host)}")
    return lines or ["Not promoted."]


def _gate_table(results: Iterable[GateResult]) -> list[str]:
    rows = [
        (result.verdict, *map(markdown_cell, (result.name, result.target, result.measured, result.reason)))
        for result in results
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return ["| verdict | gate | target | measured | why |", "|---|---|---|---|---|", *lines]


def _score_table(scores: RunScores, before: InUse | None) -> list[str]:
    """Each suite's metrics and categories, and all suites together: base, model in use, this model, points gained."""
    earlier = before.tuned if before else {}
    heads = ["suite", *(["base"] if scores.base else []), *(["in use"] if earlier else []), scores.model]
    heads += ["points gained on the base"] if scores.base else []
    heads += ["points gained on the model in use"] if earlier else []
    rows: list[list[str]] = []

    def row(title: str, of: Callable[[Scored], object], paired: Callable[[Scored], str]) -> None:
        scored = [scores.control, earlier or None]
        cells = [_cell(of, found) for found in scored if found is not None]
        gained = [paired(found) for found in scored if found is not None]
        rows.append([markdown_cell(title), *cells, _cell(of, scores.tuned), *map(markdown_cell, gained)])

    for name, tuned in scores.tuned.items():
        title = name.replace("_", " ")
        for metric in tuned.headline:
            row(
                f"{title}: {metric.replace('_', ' ')}",
                lambda found, n=name, m=metric: found[n].metric(m) if n in found else None,
                lambda found, n=name, m=metric, t=tuned: (
                    said_difference(paired_scores(found[n], t)) if m == "overall" and n in found else ""
                ),
            )
        for category, share in tuned.categories.items():
            row(
                f"{title}, in {category.replace('_', ' ')}",
                lambda found, n=name, c=category: found[n].categories.get(c) if n in found else None,
                lambda found, n=name, c=category, s=share: (
                    f"{100 * (s.value - found[n].categories[c].value):+.0f}"
                    if n in found and c in found[n].categories
                    else UNKNOWN
                ),
            )
    said = [(name, gains_text(scores.gained(name))) for name in scores.suites]
    row("all suites", _together, lambda found: _gain(found, scores.tuned))
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows]
    lines += ["", *(f"- {name.replace('_', ' ')}: {text}." for name, text in said if text)]
    if before is None:
        lines += ["", "No other model is in use."]
    elif before.why:
        lines += [
            "",
            f"The model in use is {before.run}; its figures are {UNKNOWN}: {markdown_cell(before.why)}.",
        ]
    else:
        lines += ["", f"The model in use is {before.run}."]
    return lines


def _cell(of: Callable[[Scored], object], found: Scored) -> str:
    share = of(found)
    return markdown_cell(str(share)) if share is not None else UNKNOWN


def _together(found: Mapping[str, SuiteScore]) -> str:
    right, n = (
        sum(score.overall.k for score in found.values()),
        sum(score.overall.n for score in found.values()),
    )
    return f"{right:.4g} of {n}" + (f" ({right / n:.0%})" if n else "")


def _gain(before: Mapping[str, SuiteScore], after: Mapping[str, SuiteScore]) -> str:
    paired = paired_together([(before[name], score) for name, score in after.items() if name in before])
    return f"{100 * paired.difference:+.0f} points of {paired.n}" if paired.n else UNKNOWN


def _seconds(scores: RunScores, before: InUse | None) -> list[str]:
    def mean(found: Mapping[str, SuiteScore]) -> str:
        answers = sum(len(score.outcomes) for score in found.values())
        seconds = sum(score.seconds for score in found.values())
        return f"{seconds / answers:.2f} s over {answers} answers" if answers and seconds else UNKNOWN

    rows = [(model, mean(found)) for model, found in scores.scores.items()]
    rows += [(f"in use ({before.run})", mean(before.tuned) if before.tuned else UNKNOWN)] if before else []
    return [
        *(f"- {model}: {said}" for model, said in rows),
        "",
        "In batches, on the host of each run: a server that answers one request at a time takes longer.",
    ]


def _data(run: RunFolder, spec: RunSpec) -> list[str]:
    """Shares of examples that have each part of structure, before they were normalized and as they were trained on."""
    rows, after = _structure(run.data / "train.jsonl")
    recorded = spec.preparation.get("structure")
    then: Mapping[str, Any] = recorded if isinstance(recorded, dict) else {}
    counts, of = then.get("before"), then.get("examples")
    lines = ["| share of examples with | before | as trained |", "|---|---|---|"]
    for part, words in PARTS.items():
        count = counts.get(part, 0) if isinstance(counts, dict) and part != "call" else None
        earlier = f"{count / of:.0%}" if isinstance(count, int) and isinstance(of, int) and of else UNKNOWN
        lines.append(f"| {words} | {earlier} | {f'{after[part] / rows:.0%}' if rows else UNKNOWN} |")
    said = f"{rows:,} rows trained on, from {markdown_cell(spec.dataset or UNKNOWN)}."
    if not then:
        said += " How they were before is known only of data that data.normalize wrote."
    return [*lines, "", said]


def _structure(path: Path) -> tuple[int, Counter[str]]:
    """How many rows a split has, and how many of them have each part; no rows when it cannot be read."""
    found: Counter[str] = Counter()
    rows = 0
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            messages = row["messages"]
            found.update(parts_of(messages))
            called = bool(row.get("meta", {}).get("tool")) or any(
                message.get("tool_calls") or "<tool_call>" in str(message.get("content"))
                for message in messages
            )
            found["call"] += called
            rows += 1
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, Counter()
    return rows, found


def _audit(audit: AuditView | None, spec: RunSpec) -> list[str]:
    if audit is None:
        return ["This run holds no audit."]
    worst = [f for f in audit.findings if f.severity == "fail"]
    warnings = [f for f in audit.findings if f.severity == "warn"]
    lines = [
        f"Verdict **{markdown_cell(audit.verdict)}**: {len(worst)} failed, {said_count(len(warnings), 'warning')}."
    ]
    lines += [f"- {markdown_cell(f.check)}: {markdown_cell(f.message)}" for f in worst[:10]]
    if warnings:
        lines += ["", "Warnings that the run went on with:"]
        lines += [f"- {markdown_cell(f.check)}: {markdown_cell(f.message)}" for f in warnings[:10]]
        lines += [f"- and {len(warnings) - 10} more"] if len(warnings) > 10 else []
        lines.append("- why they were accepted: " + _reasons(audit, spec))
    return lines


def _reasons(audit: AuditView, spec: RunSpec) -> str:
    if audit.accepted:
        return "; ".join(
            f"{markdown_cell(check)}: {markdown_cell(why or UNKNOWN)}" for check, why in audit.accepted
        )
    return f"{UNKNOWN}: nobody gave a reason" + (
        f" (the run was forced by {markdown_cell(spec.forced.by)})" if spec.forced else ""
    )


def said_count(count: int, noun: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _training(history: History, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    train, quantize = found.get("train", {}), found.get("quantize", {})
    losses = [loss for _, loss in history.validation]
    first, best = train.get("validation_before"), train.get("validation_best")
    first, best = (losses[0], min(losses)) if losses and not isinstance(best, float) else (first, best)
    loss = (
        f"from {first:.3f} to {best:.3f}" if isinstance(first, float) and isinstance(best, float) else UNKNOWN
    )
    trained, whole = train.get("parameters"), quantize.get("float_bytes")
    share = UNKNOWN
    if isinstance(trained, int):
        share = f"{trained:,} parameters" + (
            f", about {100 * trained / (whole / 2):.2f} % of the model"
            if isinstance(whole, int) and whole
            else ""
        )
    tokens = history.tokens or train.get("tokens")
    seconds = dict(history.seconds).get("train")
    memory = f"{history.peak_memory / 1e9:.2f} GB" if history.peak_memory else UNKNOWN
    reused = "; the stage was reused from an earlier run" if "train" in history.reused else ""
    return [
        f"- validation loss: {loss}",
        f"- tokens trained on: {f'{tokens:,}' if isinstance(tokens, int) and tokens else UNKNOWN}",
        f"- trained by LoRA: {share}",
        f"- peak memory: {memory}",
        f"- time: {f'{seconds / 60:.1f} minutes' if seconds else UNKNOWN}{reused}",
    ]


def _model(spec: RunSpec, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    quantize, fidelity = found.get("quantize", {}), found.get("fidelity", {})
    reached, size, whole = (quantize.get(key) for key in ("bits_per_weight", "bytes", "float_bytes"))
    wanted = f"{spec.recipe.quantize.bits} bits in groups of {spec.recipe.quantize.group_size} asked for"
    bits = (
        f"{reached:.3f} bits a weight reached" if isinstance(reached, int | float) else f"reached: {UNKNOWN}"
    )
    sizes = (
        f"{size / 1e6:,.1f} MB, before quantizing {whole / 1e6:,.1f} MB"
        if isinstance(size, int) and isinstance(whole, int)
        else UNKNOWN
    )
    agreement = fidelity.get("agreement")
    same = f"{agreement:.1%} of next tokens as before quantizing" if isinstance(agreement, float) else UNKNOWN
    lost = read_forgetting(fidelity)
    return [
        f"- bits: {wanted}, {bits}",
        f"- size: {sizes}",
        f"- fidelity: {same}",
        *([f"- forgetting: {markdown_cell(lost.text)}"] if lost else []),
    ]


def _dropped(run: RunFolder, spec: RunSpec, entries: Sequence[Entry], scores: RunScores) -> list[str]:
    dropped = spec.preparation.get("dropped")
    if isinstance(dropped, dict):
        rows = [f"{count:,} {markdown_cell(str(reason))}" for reason, count in dropped.items()]
        lines = [f"- rows left out of training: {'; '.join(rows) or 'none'}"]
    else:
        lines = [f"- rows left out of training: {UNKNOWN}"]
    if run.dropped.is_file():
        lines.append(f"- each with its reason: {run.dropped.relative_to(run.path)}")
    forced = [f"the audit, by {markdown_cell(spec.forced.by)}"] if spec.forced else []
    forced += [
        f"promotion, by {markdown_cell(entry.by)}: {markdown_cell(entry.reason)}"
        for entry in entries
        if entry.run == scores.run and entry.forced
    ]
    return [*lines, f"- forced: {'; '.join(forced) or 'nothing'}"]


def _undecided(scores: RunScores, before: InUse | None) -> list[str]:
    lines = [
        f"- {markdown_cell(result.name)}: {markdown_cell(result.reason)}"
        for result in scores.gates
        if result.verdict == "INCONCLUSIVE"
    ]
    targets = {result.gate.suite for result in scores.gates if result.gate.metric == "overall"}
    lines += [
        f"- {markdown_cell(name)}: no target is set for it" for name in scores.suites if name not in targets
    ]
    unjudged = [o.case for score in scores.tuned.values() for o in score.outcomes if o.judged == "cannot"]
    if unjudged:
        lines.append(
            f"- {said_count(len(unjudged), 'answer')} could not be judged on this machine and count as wrong"
        )
    if before and before.why:
        lines.append(f"- whether it is worse than the model in use: {markdown_cell(before.why)}")
    return lines or ["Nothing."]


def _next_steps(scores: RunScores) -> list[str]:
    live = may_go_live(scores)
    worst = sorted(
        (share.value, name, category)
        for name, score in scores.tuned.items()
        for category, share in score.categories.items()
        if share.n and share.value < 1
    )
    read = [
        f"- read what is wrong in {name.replace('_', ' ')}, {category.replace('_', ' ')} ({value:.0%}): "
        "the report lists the cases"
        for value, name, category in worst[:2]
    ]
    if live.answer == "yes":
        return [f"- `./inv promote --run {scores.run}`", *read]
    if live.answer == "no":
        return [*read, "- change the data or the recipe, and train again"]
    return [*read, "- more cases, or targets: `./inv plan` says how many a gate needs"]


def _space(run: RunFolder, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    size = found.get("quantize", {}).get("float_bytes")
    copy = f", the merged model in floats ({size / 1e6:,.1f} MB) among it" if isinstance(size, int) else ""
    return [
        "",
        f"Space reclaimed on the host: {UNKNOWN}. `./inv clean --run {run.path.name}` shows what can go{copy}.",
    ]


def _cost(history: History) -> str:
    parts = [f"{history.minutes:.1f} minutes on the host"]
    if history.tokens:
        parts.append(f"{history.tokens:,} tokens trained on")
    if history.peak_memory:
        parts.append(f"{history.peak_memory / 1e9:.2f} GB at the peak")
    return ", ".join(parts) + "."
