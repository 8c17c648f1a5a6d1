"""Rows of a served log as candidates for review: each conversation once, with no mark. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.normal_form import normal_form
from tunewright.chat.prepare import Untrainable, prepare
from tunewright.contract.atomic import sha256_json

Row = dict[str, Any]


def candidates(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The log's conversations in the order in which they were first answered, all with an empty mark.

    A client sends the whole conversation with every request, so a row that another row continues is left out. Of equal
    conversations the first is kept, and `meta.seen` counts them. `meta.problem` says why a row could not be trained on
    as it is.
    """
    read = [(row, *_read(row)) for row in rows]
    continued = {digest for _, turns, _ in read for digest in turns[:-1]}
    found: dict[str, Row] = {}
    for row, turns, problem in read:
        whole = turns[-1]
        if whole in found:
            found[whole]["meta"]["seen"] += 1
        elif whole not in continued:
            meta = {**row["meta"], "seen": 1} | ({"problem": problem} if problem else {})
            found[whole] = {**row, "mark": "", "meta": meta}
    return list(found.values())


def _read(row: Mapping[str, Any]) -> tuple[list[str], str]:
    """Hashes of the conversation up to each of its turns, whatever their ids and spacing; and what is wrong with it."""
    try:
        example = normal_form(read_conversation(dict(row)))
    except (UnknownShapeError, RecursionError) as error:
        return [sha256_json(row["messages"])], str(error)
    turns = [sha256_json(example.tools)]
    for message in example.messages:
        calls = [[call.function.name, call.function.arguments] for call in message.tool_calls]
        turns.append(sha256_json([turns[-1], message.role, message.content.strip(), calls]))
    try:
        prepare(example)
    except (Untrainable, UnknownShapeError) as error:
        return turns[1:], str(error)
    return turns[1:], "the answer was cut off" if row["meta"].get("finish") == "length" else ""
