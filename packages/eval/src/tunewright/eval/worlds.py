"""Simulated worlds: consistent made-up results for a catalog's tools, in which a gold program and an answer are run.

A world answers a call from its arguments alone, so the same call always gives the same result and the order of
independent calls does not matter. Values are unique where their type allows it (`fi482913`, `482914`), so that what a
program prints tells where it came from; in every other world some entries share a file, a line, a code or an author.
Results are consistent: a count is the length of its list, `success` follows from what was found, a file's line count is
that of its content. The shapes that a world can have (nothing found, one entry, several, all good, all bad, a threshold
minus one, exact, plus one) take turns over `WORLDS` worlds, shifted from tool to tool, so that each tool meets each shape
together with different shapes of the others.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tunewright.contract.catalog import Catalog, Tool, is_list, item_type

WORLDS = 12
Json = Any

# Values of well-known text fields: real tools use these words, and programs compare with them.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "severity": ("error", "warning", "information"),
    "outcome": ("passed", "failed", "skipped"),
    "kind": ("function", "class", "method"),
}
_PROBLEMS = frozenset({"errors", "violations", "problems", "failures", "issues", "diagnostics", "warnings"})
_NEAR = 8  # entries of a list whose numbers lie around what programs compare them with
_TEXTS = ("content", "text", "body", "source")
# Texts that are several words, or several lines, in every other world: what separates their two values.
_LONGER = " ........................ "
_SEVERAL = {
    **dict.fromkeys(("preview", "message", "subject", "title"), _LONGER),
    **dict.fromkeys(("stdout", "stderr", "docstring", "text"), "\n"),
    "signature": "(self, ",
}
_PATHS = frozenset({"file", "path", "filename", "file_path", "filepath"})


@dataclass(frozen=True)
class Shape:
    """How a result looks: how many entries, and whether they are `good`, `bad` or `mixed`.

    `none`: nothing was found, and the call failed; `empty`: nothing was found, and the call worked.
    """

    size: int
    kind: str = "mixed"


_SHAPES = (Shape(4), Shape(0, "none"), Shape(1), Shape(5, "good"), Shape(3, "bad"), Shape(39))

Constants = Mapping[str, tuple[Any, ...]]


def compared_constants(trees: Iterable[ast.AST]) -> Constants:
    """Field name -> the constants that programs compare it, or its length, with.

    Worlds use them: numbers on both sides of a threshold, and the texts that are asked for.
    """
    found: dict[str, list[Any]] = {}
    for tree in trees:
        names: dict[str, str] = {}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                field = _field(node.value, names)
                if field:
                    names[node.targets[0].id] = field
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                fields = [field for side in sides if (field := _field(side, names))]
                values = [value for side in sides for value in _constants(side)]
                for field in fields:
                    found.setdefault(field, []).extend(values)
    return {field: tuple(dict.fromkeys(values)) for field, values in found.items()}


def _field(node: ast.AST, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len" and node.args:
        return _field(node.args[0], names)
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    return node.attr if isinstance(node, ast.Attribute) else ""


def _constants(node: ast.AST) -> Iterator[Any]:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str):
        yield node.value
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for element in node.elts:
            yield from _constants(element)


class World:
    """One world of a case: `call` answers a tool's call; `number` is its place among `WORLDS`."""

    def __init__(
        self,
        catalog: Catalog,
        seed: str,
        number: int,
        constants: Constants | None = None,
        known: Iterable[tuple[str, Mapping[str, Any], Json]] = (),
        empty_is_success: bool = False,
    ) -> None:
        """`known`: tool, bound arguments and result of calls whose results are the same in all worlds.

        `empty_is_success`: in the second half of the worlds a call that finds nothing is a success with an empty list.
        """
        self.catalog = catalog
        self.seed = seed
        self.number = number
        self.constants = constants or {}
        self.empty_is_success = empty_is_success
        self.known = {call_key(name, arguments): result for name, arguments, result in known}

    def call(self, tool: Tool, arguments: Mapping[str, Any]) -> Json:
        """What the tool returns: an object with the catalog's fields, or text for a tool that declares none."""
        said = json.dumps(arguments, sort_keys=True, default=repr)
        random = Random(f"{self.seed}|{self.number}|{tool.name}|{said}")
        shape = self._shape(tool, random)
        limit, size = arguments.get("limit"), shape.size
        if isinstance(limit, int) and 0 <= limit < size:
            shape = Shape(limit, shape.kind)
        values = _Values(random, mostly=self.number >= len(_SHAPES))
        if not tool.result:
            words = (values.text(tool.name) for _ in range(max(shape.size, 1)))
            return "\n".join(words)
        made = self._result(tool, arguments, shape, values)
        if "limit" in arguments and tool.result.get("truncated") == "bool":
            made["truncated"] = shape.size < size
        for name, value in self.known.get(call_key(tool.name, arguments), {}).items():
            record = self.catalog.types.get(item_type(tool.result[name]))
            if record is not None and isinstance(value, list):
                value = [self._completed(entry, record, values) for entry in value]  # pyright: ignore[reportUnknownVariableType]
            made[name] = value
        return made

    def _completed(self, entry: Mapping[str, Json], record: Mapping[str, str], values: "_Values") -> Json:
        """A known entry with the fields that the case leaves open."""
        rest = {name: self._plain(kind, name, values) for name, kind in record.items() if name not in entry}
        return {**rest, **entry}

    def _shape(self, tool: Tool, random: Random) -> Shape:
        """This world's shape for the tool; how many entries `several` are differs from call to call."""
        lists = [name for name, kind in tool.result.items() if is_list(kind)]
        limits = {
            size
            for name in lists
            for field in (name, *_counts_of(name, tool))
            for value in self.constants.get(field, ())
            if isinstance(value, int) and value > 0
            for size in (value - 1, value, value + 1)
        }
        around = [Shape(size) for size in sorted(limits)]
        for field, kind in (("passed", "good"), ("failed", "bad")):  # tests that all pass, or all fail
            counts = [
                v for v in self.constants.get(field, ()) if field in tool.result and type(v) is int and v > 0
            ]
            around += [Shape(size, kind) for value in counts for size in (value - 1, value, value + 1)]
        shapes = (*_SHAPES, *(shape for shape in around if 0 < shape.size <= 400))
        # With limits there are more shapes: they come one after the other, so that none is left out.
        turn = self.number + self.catalog.tool_names.index(tool.name)
        shape = shapes[(turn if around else self._turn(tool, self.number)) % len(shapes)]
        if shape.kind == "none" and self.empty_is_success and lists and self.number >= len(_SHAPES):
            return Shape(0, "empty")
        wide = shape in _SHAPES and shape.size > 1
        return Shape(shape.size + random.randrange(3), shape.kind) if wide else shape

    def _turn(self, tool: Tool, number: int) -> int:
        """The place in the list of shapes, shifted from tool to tool: two tools that have the same shapes at the same time
        in one half of the worlds do not in the other."""
        place = self.catalog.tool_names.index(tool.name)
        return number + place if number < len(_SHAPES) else number - place + place // len(_SHAPES)

    def _found_before(self, tool: Tool) -> int:
        """In how many earlier worlds the tool finds something, when it has no list."""
        turns = (self._turn(tool, number) % len(_SHAPES) for number in range(self.number))
        return sum(_SHAPES[turn].kind != "none" for turn in turns)

    def _result(self, tool: Tool, arguments: Mapping[str, Any], shape: Shape, values: "_Values") -> Json:
        result: dict[str, Json] = {}
        for name, annotation in tool.result.items():
            if is_list(annotation):
                result[name] = self._entries(item_type(annotation), shape, values)
                _fit_search(tool, arguments, result[name], values)
                if self.number % 3 == 1:
                    _in_own_file(arguments, result[name])
        lists = [name for name in tool.result if name in result]
        problems = [name for name in lists if name in _PROBLEMS]
        # Nothing found is a failure, but for problems and a command's output; a tree without changes is clean in the second
        # half of the worlds.
        missing = shape.kind == "none" and not problems and "exit_code" not in tool.result
        missing = missing and not ("clean" in tool.result and self.number >= len(_SHAPES))
        for name, annotation in tool.result.items():
            if name in result or name == "success":
                continue
            parameter = next((p for p in tool.parameters if p.name == name and p.type == annotation), None)
            if parameter is not None:
                result[name] = arguments.get(name)
            elif missing:
                result[name] = _nothing(annotation)
            else:
                result[name] = self._scalar(name, annotation, tool, values)
        self._relate(tool, result, lists, values)
        if "success" in tool.result:
            result["success"] = shape.kind == "empty" or _success(result, lists, problems, missing)
        return {name: result[name] for name in tool.result}

    def _relate(self, tool: Tool, result: dict[str, Json], lists: list[str], values: "_Values") -> None:
        """Fields that follow from others: counts, sums, the lines of a text."""
        for name in lists:
            entries: list[Any] = result[name]
            record = self.catalog.types.get(item_type(tool.result[name]), {})
            for field in _counts_of(name, tool):
                result[field] = len(entries)
            for field, annotation in tool.result.items():
                stem = field.removesuffix("_count")
                if field != stem and record.get(stem) == "bool":
                    result[field] = sum(bool(entry[stem]) for entry in entries)
                elif annotation == "int" and record.get(field) == "int":
                    result[field] = sum(entry[field] for entry in entries)
                elif annotation == "int" and field in _WORDS["outcome"] and "outcome" in record:
                    result[field] = sum(entry["outcome"] == field for entry in entries)
                elif annotation == "bool" and field == "clean":
                    result[field] = not entries
        text = next((name for name in _TEXTS if tool.result.get(name) == "str"), "")
        if text and "line_count" in tool.result and result[text]:
            lines = [values.text(text) for _ in range(int(result["line_count"]))]
            lines[3:4] = [""] if self.number % 2 and len(lines) > 4 else lines[3:4]
            result[text] = "\n".join(lines)

    def _entries(self, annotation: str, shape: Shape, values: "_Values") -> list[Json]:
        record = self.catalog.types.get(annotation)
        if record is None:
            return [self._plain(annotation, "item", values) for _ in range(shape.size)]
        flags = values.flags(shape)
        entries = [
            {name: self._entry_field(name, kind, flag, index, values) for name, kind in record.items()}
            for index, flag in enumerate(flags)
        ]
        if self.number % 2:
            lines = self.number % 4 == 3 and "line" not in self.constants
            _share(entries, "line" if lines else "message")
        for entry in entries[2::3] if self.number % 3 == 2 and {"file", "line"} <= record.keys() else ():
            entry["file"] = "tests/test_" + entry["file"].rpartition("/")[2]
        return entries[::-1] if self.number % 4 == 1 else entries

    def _entry_field(self, name: str, annotation: str, flag: bool, index: int, values: "_Values") -> Json:
        """A field of a list's entry; `flag` decides its truth values and, for outcomes, whether it is bad."""
        if annotation == "bool":
            return flag
        texts = [value for value in self.constants.get(name, ()) if isinstance(value, str)]
        known = None if name == "kind" and self.number % 2 else _WORDS.get(name)
        if annotation == "str" and (texts or known):
            choices = tuple(dict.fromkeys((*(known or ()), *texts)))
            if name == "outcome" and not set(texts) - set(_WORDS["outcome"]):
                skipped = (
                    (index + values.turn) % 2
                    if "skipped" in texts
                    else self.number % 4 == 3 and index % 3 == 1
                )
                return "failed" if flag else "skipped" if skipped else "passed"
            if not known:
                near = tuple(
                    near
                    for text in texts
                    if len(text) > 1
                    for near in (text[:-1] + ("0" if text[-1] != "0" else "1"), f"{text}0")
                )
                choices = (*choices, *near, values.text(name), values.text(name))
            if name == "name" and index >= len(choices):  # nothing has a name twice
                return values.text(name)
            return choices[(index + values.turn) % len(choices)]
        if annotation.endswith("| None") and index % 2:
            return None
        numbers = [value for value in self.constants.get(name, ()) if type(value) in (int, float)]
        if annotation in ("int", "float") and numbers and index < _NEAR:
            place = (index // len(numbers) + values.turn) % _NEAR
            return _near(numbers[index % len(numbers)], place, annotation)
        return self._plain(annotation, name, values)

    def _scalar(self, name: str, annotation: str, tool: Tool, values: "_Values") -> Json:
        """A field of the result itself: on both sides of what programs compare it with."""
        constants = self.constants.get(name, ())
        if name == "exit_code":
            compared = [code for code in constants if code and isinstance(code, int)]
            turn = self.number // 2 % (len(compared) + 1)
            if self.number % 2:
                return 0
            return compared[turn - 1] if turn else values.random.randrange(3, 90)
        numbers = [
            value for value in constants if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if annotation in ("int", "float") and numbers:
            step = 1 if annotation == "int" else 0.5
            near = [value + far * step for far in (0, -1, 1, 7) for value in numbers]
            near += [value / 2 for value in numbers] + [value * 3 + 2 * step for value in numbers]
            value = max(near[self._found_before(tool) % len(near)], 0)
            return int(value) if annotation == "int" else round(float(value), 1)
        texts = [value for value in constants if isinstance(value, str)]
        if annotation.startswith("str") and texts:
            return [*texts, values.text(name)][self.number % (len(texts) + 1)]
        if name == "line_count":
            return 7 + values.random.randrange(30)
        return self._plain(annotation, name, values)

    def _plain(self, annotation: str, name: str, values: "_Values") -> Json:
        kind = item_type(annotation)
        if annotation.endswith("| None") and self.number % 4 == 2:
            return None
        if is_list(annotation):
            return [self._plain(kind, name, values) for _ in range(2)]
        if kind == "str":
            text = values.text(name)
            return text + _SEVERAL[name] + values.text(name) if name in _SEVERAL and self.number % 2 else text
        if kind == "int":
            return values.whole()
        if kind == "float":
            return values.decimal()
        if kind == "bool":
            return self.number % 2 == 0
        record = self.catalog.types[kind]
        return {field: self._entry_field(field, inner, True, 0, values) for field, inner in record.items()}


class _Values:
    """Values that occur nowhere else in their world."""

    def __init__(self, random: Random, *, mostly: bool = False) -> None:
        """`mostly`: of mixed entries two of three are bad, else one of three."""
        self.random = random
        self.mostly = mostly
        self.turn = random.randrange(60)
        self._next = random.randrange(100_000, 980_000)

    def whole(self) -> int:
        self._next += self.random.randrange(3, 40)
        return self._next

    def text(self, name: str) -> str:
        number = self.whole()
        if name in _PATHS:
            return f"src/fi{number}.py"
        return f"{(name + 'xx')[:2].lower()}{number}"

    def decimal(self) -> float:
        return self.random.randrange(1_001, 9_999) / 10

    def flags(self, shape: Shape) -> list[bool]:
        """One truth value an entry: all false for `good`, all true for `bad`; mixed ones start either way."""
        if shape.kind in ("good", "bad"):
            return [shape.kind == "bad"] * shape.size
        true = max(1, shape.size // 3)
        true = shape.size - true if self.mostly and shape.size > 1 else true
        flags = [index < true for index in range(shape.size)]
        start = self.turn % max(shape.size, 1)
        return flags[start:] + flags[:start]


def call_key(name: str, arguments: Mapping[str, Any]) -> str:
    """What tells a call from all others: its tool and its arguments."""
    return json.dumps([name, arguments], sort_keys=True, default=repr)


def _near(limit: float, place: int, annotation: str) -> int | float:
    """The `place`-th of the numbers around a limit: itself, then one step above, one below, two above, and so on."""
    step = 1 if annotation == "int" else 0.5
    far = (place + 1) // 2 * step
    value = limit + far if place % 2 else limit - far
    if value < 0 or (value == 0 and limit > 0):
        value = limit + 20 * step + far  # as unique as the others
    return int(value) if annotation == "int" else round(float(value), 1)


def _fit_search(tool: Tool, arguments: Mapping[str, Any], entries: list[Any], values: _Values) -> None:
    """Entries as a search would find them: names that match the query, the very name first; what one file holds is in it;
    completions go on where the prefix stops."""
    query, file, prefix = arguments.get("query"), arguments.get("file"), arguments.get("prefix")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            return
        if isinstance(query, str) and "name" in entry:
            entry["name"] = f"{query}_{values.text('name')}" if index else query
        if isinstance(prefix, str) and isinstance(entry.get("label"), str):
            typed = re.split(r"\W", prefix)[-1]
            entry["label"] = typed + entry["label"].removeprefix(typed)
        if isinstance(file, str) and "file" in entry and len(tool.parameters) == 1:
            entry["file"] = file


def _share(entries: list[dict[str, Json]], also: str) -> None:
    """Two places each in one file, with one code, and other entries by one author, on one day, of one status."""
    for first, second in zip(entries[::2], entries[1::2]):
        if "line" in first:
            second.update({name: first[name] for name in ("file", "code", also) if name in first})
    for first, second in zip(entries[1::2], entries[2::2]):
        second.update({name: first[name] for name in ("author", "status", "date") if name in first})


def _in_own_file(arguments: Mapping[str, Any], entries: list[Any]) -> None:
    """The first entry lies in the file that was asked about; at the very line, where declarations were asked for, too."""
    file = arguments.get("file")
    if (
        isinstance(file, str)
        and entries
        and isinstance(entries[0], dict)
        and {"file", "line"} <= entries[0].keys()
    ):
        entries[0]["file"] = file
        if arguments.get("include_declaration") is True:
            entries[0]["line"] = arguments.get("line")


def _counts_of(name: str, tool: Tool) -> list[str]:
    """Fields that hold the length of the list `name`: `error_count` that of `errors`."""
    stem = name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")
    return [f for f in (f"{stem}_count", f"{name}_count", f"total_{name}", f"num_{name}") if f in tool.result]


def _success(result: Mapping[str, Json], lists: list[str], problems: list[str], missing: bool) -> bool:
    if "exit_code" in result:
        return result["exit_code"] == 0
    if missing:
        return False
    if result.get("clean"):
        return True
    if "failed" in result and "passed" in result:
        return bool(result["passed"]) and not result["failed"]
    if problems:
        return not any(result[name] for name in problems)
    return all(result[name] for name in lists) if lists else True


def _nothing(annotation: str) -> Json:
    empty: Mapping[str, Json] = {"str": "", "int": 0, "float": 0.0, "bool": False}
    return empty.get(annotation)
