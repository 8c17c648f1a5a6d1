"""Charts as inline SVG, made by pure functions.

Only shapes are drawn: they stretch with the page (`preserveAspectRatio="none"`, strokes that do not scale), and
every letter is HTML next to them, so that a chart can be read on a telephone. Colours are classes, which the
page's style gives a light and a dark value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tunewright.eval.history import Point
from tunewright.eval.statistics import Proportion

_WIDE, _HIGH = 1000.0, 300.0


@dataclass(frozen=True)
class LossChart:
    """The drawing, and the labels of its axes: `losses` from top to bottom, `steps` from left to right."""

    svg: str
    losses: tuple[str, ...]
    steps: tuple[str, ...]


def loss_chart(training: Sequence[Point], validation: Sequence[Point]) -> LossChart | None:
    """Training loss as a line, validation loss as a line with dots; None without two points to join."""
    points = [*training, *validation]
    if len(training) < 2 and len(validation) < 2:
        return None
    last = max(step for step, _ in points) or 1
    top_step = nice_step(max(loss for _, loss in points) / 4)
    rows = max(1, math.ceil(max(loss for _, loss in points) / top_step))
    top = rows * top_step

    def place(point: Point) -> str:
        step, loss = point
        return f"{_WIDE * step / last:.1f},{_HIGH * (1 - max(0.0, loss) / top):.1f}"

    lines = [
        f'<line class="grid" x1="0" x2="{_WIDE:g}" y1="{_HIGH * i / rows:.1f}" y2="{_HIGH * i / rows:.1f}"/>'
        for i in range(rows + 1)
    ]
    for name, series in (("training", training), ("validation", validation)):
        if len(series) > 1:
            lines.append(f'<polyline class="line {name}" points="{" ".join(map(place, series))}"/>')
    for point in validation:
        # A line of no length with round ends is a dot that stays round when the drawing is stretched.
        x, y = place(point).split(",")
        title = f"<title>validation loss {point[1]:.3f} after step {point[0]}</title>"
        lines.append(f'<line class="dot validation" x1="{x}" x2="{x}" y1="{y}" y2="{y}">{title}</line>')
    svg = _svg(lines, "loss", f"Loss over {last} steps")
    decimals = max(0, -math.floor(math.log10(top_step)))
    losses = tuple(f"{top - i * top_step:.{decimals}f}" for i in range(rows + 1))
    quarters = (0, last // 4, last // 2, 3 * last // 4, last) if last >= 4 else (0, last)
    return LossChart(svg, losses, tuple(f"{step}" for step in quarters))


def nice_step(rough: float) -> float:
    """The next 1, 2 or 5 times a power of ten at or above `rough`."""
    if not rough > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def share_bars(tuned: Proportion, base: Proportion | None, target: float | None = None) -> str:
    """One row: the tuned model's share above its base's, each with its interval, and a mark at the target."""
    lines = [
        f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{_HIGH:g}"/>' for x in (0, 250, 500, 750, 1000)
    ]
    bands = [("tuned", tuned, 40.0)] if base is None else [("tuned", tuned, 25.0), ("base", base, 165.0)]
    thick = 220.0 if base is None else 110.0
    for name, share, y in bands:
        low, high = (_WIDE * end for end in share.interval)
        middle = y + thick / 2
        title = f"<title>{name}: {share}</title>"
        lines.append(
            f'<rect class="bar {name}" x="0" y="{y:g}" width="{_WIDE * share.value:.1f}" height="{thick:g}">{title}</rect>'
        )
        if share.n:
            place = f'x1="{low:.1f}" x2="{high:.1f}" y1="{middle:g}" y2="{middle:g}"'
            lines += [f'<line class="halo" {place}/>', f'<line class="interval" {place}>{title}</line>']
            ends = f'y1="{middle - 35:g}" y2="{middle + 35:g}"'
            lines += [f'<line class="interval" x1="{end:.1f}" x2="{end:.1f}" {ends}/>' for end in (low, high)]
    if target is not None:
        lines.append(
            f'<line class="target" x1="{_WIDE * target:.1f}" x2="{_WIDE * target:.1f}" y1="0" y2="{_HIGH:g}"/>'
        )
    said = f"{tuned}" if base is None else f"{tuned}; base {base}"
    return _svg(lines, "bars", said)


def _svg(lines: Sequence[str], name: str, label: str) -> str:
    box = f'viewBox="0 0 {_WIDE:g} {_HIGH:g}" preserveAspectRatio="none"'
    return f'<svg class="{name}" {box} role="img" aria-label="{label}">{"".join(lines)}</svg>'
