"""A comparison as a self-contained page."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from tunewright.contract.visible import one_line
from tunewright.eval.charts import share_bars
from tunewright.eval.gates import said_difference, said_p
from tunewright.eval.page_style import render_report
from tunewright.eval.statistics import Paired

if TYPE_CHECKING:
    from tunewright.eval.comparison import Comparison

_BADGES = {"BETTER": "PASS", "NOT WORSE": "PASS", "WORSE": "FAIL", "INCONCLUSIVE": "INCONCLUSIVE"}
_FILTER = """
body:has(#show-gained:checked) .case:not(.is-gained) { display: none; }
body:has(#show-lost:checked) .case:not(.is-lost) { display: none; }
"""


def render_comparison(comparison: "Comparison") -> str:
    """The page's HTML."""
    suites = [
        {
            "title": name.replace("_", " "),
            "said": said_difference(paired),
            "rows": [_row("overall", paired, "")]
            + [
                _row(f"in {c.category.replace('_', ' ')}", c.paired, f"p {said_p(c.q)} {c.verdict}")
                for c in comparison.categories
                if c.suite == name
            ],
        }
        for name, paired in comparison.suites.items()
    ]
    return render_report(
        "compare.html.jinja",
        _FILTER,
        comparison=comparison,
        badge=_BADGES[comparison.verdict],
        total=said_difference(comparison.total),
        suites=suites,
        flips=[(flip, one_line(flip.case.messages[-1].content, 160)) for flip in comparison.flips],
    )


def _row(name: str, paired: Paired, note: str) -> dict[str, object]:
    svg = Markup(share_bars(paired.b, paired.a))  # noqa: S704 - made of numbers alone
    return {
        "name": name,
        "svg": svg,
        "a": str(paired.a),
        "b": str(paired.b),
        "note": note,
        "whole": name == "overall",
    }
