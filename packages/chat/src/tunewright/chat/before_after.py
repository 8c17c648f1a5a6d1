"""What `data.normalize` says it has done: a table of each slice before and after, and everything that was changed."""

import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tunewright.contract.visible import one_line

PARTS = {
    "system": "system message",
    "earlier": "earlier exchange",
    "answers": "more than one answer",
    "preamble": "preamble",
}
MOST_TEXTS = 10  # system messages that are shown of those replaced or removed; dataset.json has all


@dataclass
class Slice:
    """Counts of one tool before and after."""

    examples: int = 0
    before: Counter[str] = field(default_factory=Counter[str])
    after: Counter[str] = field(default_factory=Counter[str])


@dataclass
class Changes:
    """`rows` counts rows by what was done to them, `left` those left as they are by why, `replaced` and `removed` the
    system messages that another one, or none, replaces."""

    rows: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])
    replaced: Counter[str] = field(default_factory=Counter[str])
    removed: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True)
class Normalized:
    """What was changed. `slices` by first tool called; `system` is the common system message, `origin` where it is from."""

    out: Path
    splits: dict[str, int]
    slices: dict[str, Slice]
    changes: Changes
    system: str
    origin: str

    def text(self, width: int = 100) -> str:
        """A table of before and after, and what was done, as plain text."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("tool")
        table.add_column("examples", justify="right")
        for title in PARTS.values():
            table.add_column(title, justify="right")
        for name, counted in sorted(self.slices.items(), key=lambda item: (-item[1].examples, item[0])):
            shares = [
                f"{counted.before[part] / counted.examples:.0%} -> {counted.after[part] / counted.examples:.0%}"
                for part in PARTS
            ]
            table.add_row(one_line(name, 60), f"{counted.examples:,}", *shares)
        buffer = io.StringIO()
        console = Console(file=buffer, width=width, no_color=True, highlight=False, markup=False)
        console.print(table)
        for line in self._lines():
            console.print(line)
        return buffer.getvalue()

    def _lines(self) -> list[str]:
        lines = [f"Changed, in rows: {_counted(self.changes.rows) or 'nothing'}. The rows are shuffled."]
        if left := _counted(self.changes.left):
            lines.append(f"Left as they are, in rows: {left}.")
        if self.changes.rows["system message added"] or self.changes.replaced:
            lines.append(f'The common system message ({self.origin}): "{one_line(self.system)}"')
        for what, texts in (
            ("It replaces", self.changes.replaced),
            ("Removed", self.changes.removed),
        ):
            shown = texts.most_common(MOST_TEXTS)
            lines += [f'{what}, in {count:,} rows: "{one_line(text)}"' for text, count in shown]
            if len(texts) > MOST_TEXTS:
                lines.append(f"And {len(texts) - MOST_TEXTS:,} more; dataset.json has them all.")
        splits = ", ".join(f"{split} {count:,}" for split, count in self.splits.items())
        return [*lines, f"Written: {self.out} ({splits})."]


def _counted(counts: Counter[str]) -> str:
    return "; ".join(f"{what}: {count:,}" for what, count in sorted((+counts).items()))
