"""What was tried and not kept, and why, counted by family."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Rejected(Exception):
    """Why no example is made: in a few words without names, as the ledger counts it; `detail` says more.

    Steps return it. Tools raise it, because a program is around them.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass
class Ledger:
    """Counts candidates. Reasons are short and without names, so that they add up."""

    kept: Counter[str] = field(default_factory=Counter[str])  # by family
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])  # (family, reason)
    details: dict[str, str] = field(default_factory=dict[str, str])  # what was said the first time, by reason

    def keep(self, family: str) -> None:
        self.kept[family] += 1

    def reject(self, family: str, reason: str, detail: str = "") -> None:
        self.rejected[family, reason] += 1
        self.details.setdefault(reason, detail)

    def commonest(self) -> str:
        """The commonest reason, with how often; empty when there is none."""
        counts = Counter[str]()
        for (_, reason), count in self.rejected.items():
            counts[reason] += count
        return "".join(
            f"{reason}{f' ({detail})' if (detail := self.details[reason]) else ''}, {count} times"
            for reason, count in counts.most_common(1)
        )

    def add(self, other: "Ledger") -> None:
        """Take over another ledger's counts."""
        self.kept.update(other.kept)
        self.rejected.update(other.rejected)

    def facts(self) -> dict[str, Any]:
        """For `dataset.json`: counts by family, the most frequent reason first."""
        families = sorted(set(self.kept) | {family for family, _ in self.rejected})
        return {
            family: {
                "kept": self.kept[family],
                "rejected": {
                    reason: count
                    for (name, reason), count in sorted(
                        self.rejected.items(), key=lambda entry: (-entry[1], entry[0])
                    )
                    if name == family
                },
            }
            for family in families
        }


def ledger_table(facts: Mapping[str, Any]) -> str:
    """`Ledger.facts`, as `dataset.json` keeps them, for people: one line a family, one line a reason."""
    lines = [f"{'family':<16} {'kept':>6} {'rejected':>9}  why"]
    for family, entry in facts.items():
        reasons: dict[str, int] = entry["rejected"]
        lines.append(f"{family:<16} {entry['kept']:>6} {sum(reasons.values()):>9}")
        lines += [f"{'':<16} {'':>6} {count:>9}  {reason}" for reason, count in reasons.items()]
    return "\n".join(lines)
