"""The pages of this package: one style for reports and comparisons, and no script."""

from pathlib import Path
from typing import Any

from tunewright.contract.page import render_page

_TEMPLATES = Path(__file__).parent / "templates"


def render_report(template: str, extra_style: str = "", **values: Any) -> str:
    """Render a template of this package to HTML; everything in `values` is escaped."""
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8") + extra_style
    return render_page(_TEMPLATES / template, style, **values)
