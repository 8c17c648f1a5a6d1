"""Detect results of several calls to one tool that are printed under another call's name or in its place."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from tunewright.eval.execution import WorldCall
from tunewright.eval.printed import Output, keys_of


def mixed_up(gold: Output, answer: Output, request: str) -> bool:
    """Whether an answer ascribes a value to another call than the one that returned it.

    Only calls of one tool count whose arguments the request (in lower case) names, for only those have a name that a
    person reads. A line that names calls must hold their own values; lines without a name belong to the name above
    them; and where the answer names none, the values must come in the gold's order.
    """
    names = dict(_names(answer.run.calls, request))
    if len(names) < 2:
        return False
    owners = _owners(answer, names)
    above: frozenset[str] = frozenset()
    named = False
    for line in answer.text.lower().splitlines():
        found, rest = _named_in(line, names)
        held = list(dict.fromkeys(owners[key] for key in keys_of(rest) if key in owners))
        named = named or bool(found)
        if held and found:
            places = list(dict.fromkeys(_place(call, found) for call in held))
            if set(places) == {-1} or (len(places) == len(found) and places != list(range(len(found)))):
                return True
        elif held and above and not above.issuperset(held):
            return True
        if found:
            above = found[0] if len(found) == 1 and not held else frozenset()
    return not named and _order(answer, owners) != _order(gold, _owners(gold, names))


def _place(call: str, found: Sequence[frozenset[str]]) -> int:
    return next((place for place, calls in enumerate(found) if call in calls), -1)


def _identity(call: WorldCall) -> str:
    return json.dumps([call.tool, call.arguments], sort_keys=True, default=repr)


def _names(calls: Sequence[WorldCall], request: str) -> Iterator[tuple[str, list[str]]]:
    """Call -> the texts by which it is known among the calls of its tool, the longest first."""
    by_tool: dict[str, dict[str, WorldCall]] = {}
    for call in calls:
        by_tool.setdefault(call.tool, {})[_identity(call)] = call
    for same in by_tool.values():
        if len(same) < 2:
            continue
        said = {key: _texts(call.arguments) for key, call in same.items()}
        if not all(any(text in request for text in texts) for texts in said.values()):
            continue
        for key, texts in said.items():
            others = {text for other, found in said.items() if other != key for text in found}
            if own := sorted((text for text in texts if text not in others), key=len, reverse=True):
                yield key, own


def _texts(arguments: Mapping[str, object]) -> list[str]:
    """Arguments as a person may write them: a path also by its last part, with and without its ending."""
    found: list[str] = []
    for value in arguments.values():
        if isinstance(value, str) and len(value) > 1:
            text = value.lower()
            last = text.rsplit("/", 1)[-1]
            found += [text, last, last.rsplit(".", 1)[0]]
    return [text for text in dict.fromkeys(found) if text]


def _owners(output: Output, names: Mapping[str, list[str]]) -> dict[str, str]:
    """Value -> the one named call that returned it."""
    calls = [_identity(call) for call in output.run.calls]
    owners: dict[str, str] = {}
    for key, sources in output.sources.items():
        of = {calls[int(source.entry.split(".")[0])] for source in sources}
        if len(of) == 1 and (owner := of.pop()) in names:
            owners[key] = owner
    return owners


def _named_in(line: str, names: Mapping[str, list[str]]) -> tuple[list[frozenset[str]], str]:
    """The calls that a line names, those of one place together, and the line without their names, which may hold digits."""
    places: dict[int, set[str]] = {}
    rest = line
    for call, texts in names.items():
        for text in texts:
            if match := re.search(rf"(?<![\w/.-]){re.escape(text)}(?![\w/-])", line):
                places.setdefault(match.start(), set()).add(call)
                rest = rest.replace(text, " ")
                break
    return [frozenset(calls) for _, calls in sorted(places.items())], rest


def _order(output: Output, owners: Mapping[str, str]) -> dict[str, list[str]]:
    """Tool -> its calls, in the order in which their values are shown."""
    found: dict[str, list[str]] = {}
    for call in dict.fromkeys(owners[shown.key] for shown in output.values if shown.key in owners):
        found.setdefault(json.loads(call)[0], []).append(call)
    return found
