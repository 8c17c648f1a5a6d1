"""Values as JSON text, the form in which they go to DuckDB and to helper processes."""

import json
from typing import Any


def dump(value: Any) -> str:
    """One line of JSON. Lone surrogates have no UTF-8, and DuckDB would refuse all for one: they become `?`."""
    return json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
