"""call.result_mismatch: a tool result whose count differs from the list that it counts."""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from tunewright.audit.checks import Check
from tunewright.audit.context import Context, Offence, PythonCheck
from tunewright.audit.database import silent

CHECK = Check(
    id="call.result_mismatch",
    severity="fail",
    reason="A result that contradicts itself teaches the model that counts need not be true.",
    hint="Record real results, or compute the count from the list.",
    origin=__file__,
)
_PAGE = 5000
_TAGS = re.compile(r"</?tool_response>")
_REPR = re.compile(r"\b[A-Z]\w*\(.*\)", re.DOTALL)


def mismatches(text: str) -> list[str]:
    """Counts that differ from their lists in a tool result written as JSON or as a Python repr.

    >>> mismatches('{"reference_count": 3, "references": [1, 2]}')
    ['reference_count is 3, references has 2 items']
    """
    body = _TAGS.sub("", text).strip()
    found: list[str] = []
    for value in _values(body):
        _compare(value, found)
    return found


def _values(body: str) -> Iterator[Any]:
    try:
        yield json.loads(body)
        return
    except (ValueError, RecursionError):
        pass
    match = _REPR.search(body)
    if match is None:
        return
    try:
        tree = ast.parse(match.group(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    yield _plain(tree)


def _plain(node: ast.AST) -> Any:
    """A repr's tree as dicts and lists; what is neither becomes None or its literal."""
    if isinstance(node, ast.Call):
        return {keyword.arg: _plain(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.List | ast.Tuple):
        return [_plain(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {
            key.value: _plain(value)
            for key, value in zip(node.keys, node.values)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    return node.value if isinstance(node, ast.Constant) else None


def _compare(value: Any, found: list[str]) -> None:
    if isinstance(value, list):
        for item in value:
            _compare(item, found)
    if not isinstance(value, dict):
        return
    lists = {key: item for key, item in value.items() if isinstance(item, list)}
    truncated = any(value.get(key) for key in ("truncated", "has_more", "next_page", "next_cursor"))
    for key, count in value.items():
        if isinstance(count, bool) or not isinstance(count, int) or truncated:
            continue
        name = _counted(key, lists)
        if name is not None and len(lists[name]) != count:
            found.append(f"{key} is {count}, {name} has {len(lists[name])} items")
    for item in value.values():
        _compare(item, found)


def _counted(key: str, lists: dict[str, Any]) -> str | None:
    """The list that a key counts: `reference_count` counts `references`; `count` the only list there is."""
    if key in ("count", "num_results"):
        return next(iter(lists)) if len(lists) == 1 else None
    match = re.fullmatch(r"(?:(\w+)_count|num_(\w+)|n_(\w+))", key)
    if match is None:
        return None
    stem = next(group for group in match.groups() if group)
    for name in (stem, f"{stem}s", f"{stem}es", f"{stem.removesuffix('y')}ies", stem.removesuffix("s")):
        if name in lists:
            return name
    return None


def find(context: Context, check: Check) -> Iterator[Offence]:
    """Every tool message with a count in it."""
    del check
    cursor = silent(context.connection.cursor())
    cursor.execute(
        "SELECT example, position, content FROM messages WHERE role = 'tool' "
        # To look for three texts costs a third of looking for an expression.
        "AND (contains(content, 'n_') OR contains(content, 'count') OR contains(content, 'num_')) ORDER BY example, position"
    )
    while rows := cursor.fetchmany(_PAGE):
        for example, position, content in rows:
            for detail in mismatches(content):
                yield {
                    "example": example,
                    "message": "Results whose count differs from their list",
                    "detail": f"message {position}: {detail}",
                }


RESULT_MISMATCH = PythonCheck(CHECK, find)
