"""A probe's result for a terminal."""

from tunewright.audit.probe.flips import CONTROL, FEATURES
from tunewright.audit.probe.verdict import FlipResult, ProbeResult

NAMES = {CONTROL: "a polite word (noise)", **FEATURES}
HEAD = ("changed", "asked", "tool changed", "interval", "as the data", "right", "in the data")


def probe_text(result: ProbeResult) -> str:
    """What was changed, how often the tool changed with it, and the verdict."""
    rows = [HEAD, *(_row(flip) for flip in (result.control, *result.flips))]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines = [
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width) for n, (cell, width) in enumerate(zip(row, widths))
        )
        for row in rows
    ]
    told = [
        f"{result.right} of {result.requests} held-out requests right ({result.chance:.0%} is chance)",
        "",
        *(line.rstrip() for line in lines),
        "",
        f"{result.sentence()}.",
    ]
    for flip in result.deciding:
        if flip.example:
            request, before, after = flip.example
            told.append(
                f'  {NAMES[flip.feature]}: "{request}" got {before}, and {after} when this alone changed'
            )
    if result.deciding:
        told.append(
            "  Give every kind of row the same structure: ./inv data.normalize --data DATA --out FOLDER"
        )
    return "\n".join(told)


def _row(flip: FlipResult) -> tuple[str, ...]:
    low, high = flip.interval
    control = flip.feature == CONTROL
    return (
        NAMES[flip.feature],
        f"{flip.n:,}",
        f"{flip.changed / flip.n:.0%}" if flip.n else "",
        f"{low:.0%} to {high:.0%}",
        "" if control or not flip.n else f"{flip.led / flip.n:.0%}",
        f"{flip.right[0]} -> {flip.right[1]}",
        "" if flip.share is None else f"{flip.share:.0%} of rows",
    )
