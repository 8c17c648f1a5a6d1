"""Cards in the model hub's format: a YAML front matter that its search reads, and a page in Markdown."""

import json
from collections.abc import Mapping, Sequence

from tunewright.contract.visible import visible


def hub_card(metadata: Mapping[str, object], lines: Sequence[str]) -> str:
    """The card's text. Each value is written as JSON, which YAML reads alike, so that no text of a stranger is a key."""
    front = [f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in metadata.items()]
    return visible("\n".join(["---", *front, "---", "", *lines, ""]), 1_000_000)
