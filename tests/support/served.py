"""Rows as a host hands them over to `serve --log`."""

from typing import Any

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_forecast",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
]


def calling(city: str, days: int = 1) -> dict[str, Any]:
    """An answer that calls."""
    function = {"name": "get_forecast", "arguments": f'{{"city": "{city}", "days": {days}}}'}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }


def saying(text: str) -> dict[str, Any]:
    """An answer in words."""
    return {"role": "assistant", "content": text}


def asking(text: str) -> dict[str, Any]:
    """A request."""
    return {"role": "user", "content": text}


def served(*messages: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    """A row: the request's messages and the answer."""
    meta = {"model": "run-1", "time": "2026-11-29T03:00:00Z", "finish": finish}
    return {"messages": list(messages), "tools": TOOLS, "meta": meta}
