"""Values as JSON text, the form in which they go to DuckDB and to helper processes."""

import json
from typing import Any

_encode = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` makes an encoder anew each time


def dump(value: Any) -> str:
    """One line of JSON. Lone surrogates have no UTF-8, and DuckDB would refuse all for one: they become `?`."""
    text = _encode(value)
    return text if text.isascii() else text.encode(errors="replace").decode()
