"""Changed copies of cases: what a model makes of the same request when only its tools are presented otherwise. Pure.

Four changes, each of which a model that reads its tools is hardly troubled by, and one that has learned names, places or
the habit of calling is: other order, masked names, the right tool taken away, and in its place a tool of another purpose
that takes the same parameters. After the last two no call is right.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tunewright.chat.similar import words_of
from tunewright.contract.example import Function, Message, ToolCall
from tunewright.contract.suite import Case, GoldCalls

ORDER, MASKED, REMOVED, LOOKALIKE = (
    "tools in another order",
    "tools under masked names",
    "right tool taken away",
    "only a tool with the same parameters",
)
Tool = Mapping[str, Any]
_NO_CALL = (GoldCalls(tool_calls=()),)


def perturb(cases: Sequence[Case]) -> list[Case]:
    """The changed copies of these cases; a change that a case does not allow is left out."""
    donors = {name_of(tool): tool for case in cases for tool in case.tools}
    copies: list[Case] = []
    for case in cases:
        if not case.tools or not case.gold_calls or case.perturbs:
            continue
        shuffled = Random(case.id)
        for suffix, kind, changed in (
            ("order", ORDER, _reorder(case, shuffled)),
            ("masked", MASKED, _mask(case, shuffled)),
            ("removed", REMOVED, _remove(case)),
            ("lookalike", LOOKALIKE, _replace(case, shuffled, donors)),
        ):
            if changed is not None:
                update = {"id": f"{case.id}~{suffix}", "category": kind, "perturbs": case.id}
                copies.append(changed.model_copy(update=update))
    return copies


def _reorder(case: Case, random: Random) -> Case | None:
    tools = list(case.tools)
    if len(tools) < 2:
        return None
    while tools == list(case.tools):
        random.shuffle(tools)
        if all(tool == tools[0] for tool in tools):
            return None
    return case.model_copy(update={"tools": tuple(tools)})


def _mask(case: Case, random: Random) -> Case | None:
    names = [name_of(tool) for tool in case.tools]
    gold = {call.function.name for answer in case.gold_calls for call in answer.tool_calls}
    if not gold or len(set(names)) < len(names):
        return None
    numbers = list(range(1, len(names) + 1))
    random.shuffle(numbers)
    masks = {name: f"function_{number}" for name, number in zip(names, numbers)}
    rename = _renamer(masks)
    return case.model_copy(
        update={
            "tools": tuple(_renamed_tool(tool, rename, masks) for tool in case.tools),
            "messages": tuple(_renamed_message(message, rename, masks) for message in case.messages),
            "gold": tuple(
                GoldCalls(tool_calls=tuple(_renamed_call(call, masks) for call in answer.tool_calls))
                for answer in case.gold_calls
            ),
        }
    )


def _renamer(masks: Mapping[str, str]) -> Callable[[str], str]:
    """Names in a text, masked. A plain word is only a name where it is written as one."""
    parts: list[str] = []
    for name in sorted(masks, key=len, reverse=True):
        word = re.escape(name)
        if re.search(r"[_.\d-]|[a-z][A-Z]", name):
            parts.append(rf"(?<![\w]){word}(?![\w])")
        else:
            parts.append(rf"""(?<=["'`=]){word}(?=["'`>])|(?<![\w]){word}(?=\()""")
    pattern = re.compile("|".join(parts))
    return lambda text: pattern.sub(lambda match: masks[match.group()], text)


def _renamed_tool(tool: Tool, rename: Callable[[str], str], masks: Mapping[str, str]) -> dict[str, Any]:
    function = tool.get("function")
    inner = dict(function) if isinstance(function, Mapping) else dict(tool)
    inner["name"] = masks[inner["name"]]
    if isinstance(inner.get("description"), str):
        inner["description"] = rename(inner["description"])
    return {**tool, "function": inner} if isinstance(function, Mapping) else inner


def _renamed_message(message: Message, rename: Callable[[str], str], masks: Mapping[str, str]) -> Message:
    if message.role == "user":
        return message
    return message.model_copy(
        update={
            "content": message.content if message.role == "tool" else rename(message.content),
            "name": masks.get(message.name, message.name),
            "tool_calls": tuple(_renamed_call(call, masks) for call in message.tool_calls),
        }
    )


def _renamed_call(call: ToolCall, masks: Mapping[str, str]) -> ToolCall:
    name = call.function.name
    function = Function(name=masks.get(name, name), arguments=call.function.arguments)
    return call.model_copy(update={"function": function})


def _remove(case: Case) -> Case | None:
    gold = _gold_names(case)
    left = tuple(tool for tool in case.tools if name_of(tool) not in gold)
    if not gold or not left or _mentions(case, gold):
        return None
    return case.model_copy(update={"tools": left, "gold": _NO_CALL})


def _replace(case: Case, random: Random, donors: Mapping[str, Tool]) -> Case | None:
    gold = _gold_names(case)
    if len(gold) != 1 or _mentions(case, gold):
        return None
    (name,) = gold
    right = next((tool for tool in case.tools if name_of(tool) == name), None)
    offered = {name_of(tool) for tool in case.tools}
    if right is None:
        return None
    own = _words(right)
    # Of all other tools one of those that are the least alike, so that it cannot do what is asked.
    ranked = sorted(
        (len(own & _words(tool)) / max(1, len(own | _words(tool))), other)
        for other, tool in donors.items()
        if other not in offered
    )
    alike = [other for likeness, other in ranked if likeness == ranked[0][0]]
    if not alike or ranked[0][0] > 0.2:
        return None
    donor = donors[random.choice(alike)]
    described = donor.get("function", donor)
    inner = {
        "name": described["name"],
        "description": described.get("description") or "",
        "parameters": _undescribed(_parameters(right)),
    }
    lookalike: dict[str, Any] = {"type": "function", "function": inner} if "function" in right else inner
    tools = tuple(lookalike if name_of(tool) == name else tool for tool in case.tools)
    return case.model_copy(update={"tools": tools, "gold": _NO_CALL})


def _mentions(case: Case, names: set[str]) -> bool:
    """Whether the conversation has shown these tools already, so that taking them away contradicts it."""
    before = [message for message in case.messages if message.role != "user"]
    if any(call.function.name in names for message in before for call in message.tool_calls):
        return True
    return any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message.content) for message in before for name in names
    )


def _gold_names(case: Case) -> set[str]:
    return {call.function.name for answer in case.gold_calls for call in answer.tool_calls}


def name_of(tool: Tool) -> str:
    """A tool's name; empty when it has none."""
    function = tool.get("function", tool)
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""


def _parameters(tool: Tool) -> Any:
    function = tool.get("function", tool)
    return function.get("parameters", function.get("input_schema", {}))


def _words(tool: Tool) -> set[str]:
    function = tool.get("function", tool)
    name = re.sub(r"[_.-]|(?<=[a-z])(?=[A-Z])", " ", str(function.get("name", "")))
    return set(words_of(f"{name} {function.get('description') or ''}")) - _COMMON


_COMMON = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "to",
        "for",
        "and",
        "or",
        "in",
        "on",
        "with",
        "from",
        "by",
        "is",
        "are",
        "get",
        "given",
    )
)


def _undescribed(schema: Any) -> Any:
    """A schema without the descriptions, which say what the tool is for."""
    text = json.dumps(schema)

    def strip(value: dict[str, Any]) -> dict[str, Any]:
        return {
            key: inner
            for key, inner in value.items()
            if not (key in ("description", "title") and isinstance(inner, str))
        }

    return json.loads(text, object_hook=strip)
