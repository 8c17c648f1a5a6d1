"""A self-contained page: templates, style, and a policy that lets it load and run nothing."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tunewright.eval.visible import visible

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["percent"] = percent
    return environment


def percent(share: float) -> str:
    """`0.825` as `82%`; what is not quite 100 % or 0 % does not look as if it were."""
    if 0.995 <= share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def render_page(template: str, extra_style: str = "", **values: Any) -> str:
    """Render a template of this package to HTML.

    Everything in `values` is escaped. The page holds no script; its one style is allowed by its hash, and the
    Content-Security-Policy forbids all else, so that even markup that got through could load and do nothing.
    """
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8") + extra_style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=f"sha256-{digest}",
            **values,
        )
    )
    return page.encode("utf-8", "replace").decode()
