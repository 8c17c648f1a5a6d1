"""A chat request and its answer as one row, as `serve --log` writes it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def served_row(
    body: Mapping[str, Any], choices: Sequence[Mapping[str, Any]], model: str, time: str
) -> dict[str, Any] | None:
    """The row of a request's JSON body and of its answer: a whole `choice`, or the pieces of a stream, in order.

    None where there is no conversation (`/v1/completions`), and for an answer that the client did not wait for. Only the
    conversation and the tools are taken: no header and no other field of the request.
    """
    if not choices or not (finish := choices[-1].get("finish_reason")) or not body.get("messages"):
        return None
    parts = [choice.get("message") or choice.get("delta") or {} for choice in choices]
    answer: dict[str, Any] = {"role": "assistant", "content": _joined(parts, "content")}
    if reasoning := _joined(parts, "reasoning"):
        answer["reasoning_content"] = reasoning
    if calls := [call for part in parts for call in part.get("tool_calls") or ()]:
        answer["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in calls]
    row: dict[str, Any] = {"messages": [*body["messages"], answer]}
    if body.get("tools"):
        row["tools"] = body["tools"]
    return row | {"meta": {"model": model, "time": time, "finish": finish}}


def _joined(parts: Sequence[Mapping[str, Any]], key: str) -> str:
    return "".join(part.get(key) or "" for part in parts)
