"""Scores as plain aligned text, for a terminal or a log."""

from collections.abc import Sequence

from tunewright.eval.call_metrics import dialects, loose_texts, results
from tunewright.eval.gains import gains_text
from tunewright.eval.gates import GateResult, said_difference
from tunewright.eval.live import may_go_live
from tunewright.eval.run_scores import RunScores
from tunewright.eval.served_calls import server_lines
from tunewright.eval.statistics import Proportion
from tunewright.eval.suite_score import SuiteScore

MOST_TOOLS = 20  # that are listed each, those with the most cases


def aligned(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Columns as wide as their widest cell, two spaces between; no spaces at a line's end."""
    widths = [
        max((len(row[i]) for row in rows if i < len(row)), default=0)
        for i in range(max(map(len, rows), default=0))
    ]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip() for row in rows
    ]


def scores_text(scores: RunScores) -> str:
    """Every suite's metrics, one column a model; then the gates and the verdict. No colour codes."""
    lines: list[str] = []
    for suite in scores.suites:
        columns = [by_suite[suite] for by_suite in scores.scores.values()]
        tuned = columns[-1]
        lines += [suite, *aligned(_suite_rows(list(scores.scores), columns)), *_floor_lines(tuned)]
        lines += [f"  {text}" for text in [gains_text(scores.gained(suite))] if text]
        if tuned.by_calls:
            lines += [f"  {line}" for line in server_lines(tuned.firsts, tuned.served_differently)]
        lines.append("")
    required = [result for result in scores.gates if result.gate.required]
    optional = [result for result in scores.gates if not result.gate.required]
    if required:
        lines += ["gates that decide", *aligned([_gate_row(result) for result in required]), ""]
    if optional:
        lines += ["targets that do not decide", *aligned([_gate_row(result) for result in optional]), ""]
    lines += [*question_lines(may_go_live(scores).rows()), "", f"{scores.model}: {scores.badge}"]
    return "\n".join(lines) + "\n"


def question_lines(rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Questions on the left, the lines that answer them on the right; a question without an answer is left out."""
    cells = [(name if n == 0 else "", line) for name, lines in rows for n, line in enumerate(lines)]
    return aligned(cells, indent="")


def suite_text(score: SuiteScore) -> str:
    """One model's score on one suite, and each failed case with its reasons."""
    lines = [score.suite, *aligned(_suite_rows([score.model or "model"], [score])), *_floor_lines(score), ""]
    if unjudged := [outcome.case for outcome in score.outcomes if outcome.judged == "cannot"]:
        lines += [f"not judged on this machine, and counted as wrong: {', '.join(unjudged)}", ""]
    if score.by_calls:
        lines += [*_call_lines(score), ""]
    if score.by_calls:
        lines += [*server_lines(score.firsts, score.served_differently), ""]
    elif score.served_differently:
        lines += [f"a lenient server would change the verdict of: {', '.join(score.served_differently)}", ""]
    failed = [outcome for outcome in score.outcomes if not outcome.passed]
    if failed:
        lines += ["not right", *aligned([(outcome.case, "; ".join(outcome.reasons)) for outcome in failed])]
    return "\n".join(lines).rstrip() + "\n"


def _floor_lines(score: SuiteScore) -> list[str]:
    """What models that know nothing reach, in one line."""
    reached = ", ".join(f"{name} {share.value:.0%}" for name, share in score.floor.items())
    return [f"  a model that {reached}"] if reached else []


def _call_lines(score: SuiteScore) -> list[str]:
    """What is known only of suites that are judged by calls: results, dialects, long texts, and changed copies."""
    counts = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in results(score.firsts).items())
    lines = [f"results of comparing calls: {counts}"]
    found = dialects(score.firsts)
    if found:
        more = "; the model does not keep to one" if len(found) > 1 else ""
        lines.append(f"dialect of its calls: {', '.join(f'{name} {n}' for name, n in found.items())}{more}")
    loose = loose_texts(score.firsts)
    if loose:
        said = ", ".join(f"{n} {how}" for how, n in loose.items())
        lines.append(f"long texts that are right and not the same: {said}")
    if score.changes:
        lines += ["", "the same cases with changed tools (as they are -> changed)"]
        lines += aligned(
            [
                (kind, f"{change.a.value:.0%} -> {change.b.value:.0%}", said_difference(change))
                for kind, change in score.changes.items()
            ]
        )
    return lines


def _suite_rows(models: Sequence[str], columns: Sequence[SuiteScore]) -> list[list[str]]:
    rows = [["", *models]]
    rows += [
        [metric.replace("_", " "), *(_cell(score.metric(metric)) for score in columns)]
        for metric in columns[0].headline
    ]
    if (k := columns[0].samples) > 1:
        rows.append([f"all of {k} samples", *(_cell(score.all_samples) for score in columns)])
    for category in columns[0].categories:
        shares = [score.categories.get(category, Proportion(0, 0)) for score in columns]
        rows.append([f"- {category.replace('_', ' ')}", *map(_cell, shares)])
    for tool in list(columns[0].tools)[:MOST_TOOLS]:
        shares = [score.tools.get(tool, Proportion(0, 0)) for score in columns]
        rows.append([f"- calls of {tool}", *map(_cell, shares)])
    return rows


def _cell(share: Proportion) -> str:
    low, high = share.interval
    return f"{share.value:4.0%} of {share.n:<3} [{low:.0%}, {high:.0%}]" if share.n else "no cases"


def _gate_row(result: GateResult) -> list[str]:
    return [result.verdict, result.name, result.target, result.measured, result.reason]
