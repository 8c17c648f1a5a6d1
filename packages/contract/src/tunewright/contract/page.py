"""A self-contained page: it loads nothing, and what strangers wrote is text in it and nothing else."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.contract.visible import cut, visible

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def _environment(folder: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "cut": cut, "percent": percent}
    return environment


def percent(share: float) -> str:
    """`0.825` as `82%`; what is not quite 100 % or 0 % does not look as if it were."""
    if 0.995 <= share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def render_page(template: Path, style: str, script: str = "", **values: Any) -> str:
    """Render a template, a file whose name ends in `.jinja`, to HTML.

    Everything in `values` is escaped. The template gets `style` and `script` with their hashes, `style_hash` and
    `script_hash`, for a Content-Security-Policy that allows these two and forbids all else, so that even markup that
    got through could load and do nothing.
    """
    from markupsafe import Markup

    page = (
        _environment(template.parent)
        .get_template(template.name)
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            style_hash=_source_hash(style),
            script_hash=_source_hash(script),
            **values,
        )
    )
    return page.encode("utf-8", "replace").decode()


def _source_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
