"""Calls whose parameters are elements of their own, as several families write them: `<parameter=a>1</parameter>`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunewright.chat.calls.found import Block, Call, CallSyntaxError, FoundCall
from tunewright.chat.calls.text import Text, dump

_HEAD = re.compile(r"(<tool_call>\s*)?<function=([^<>\n]*)>")
_PARAMETER = re.compile(r"<parameter=([^<>\n]*)>")
_TAG = re.compile(r"</?(?:tool_call|function|parameter)\b[^<>\n]*>")
_PREFIX = "antml:"
_QUOTED = r"""("[^"<>\n]*"|'[^'<>\n]*'|[^\s"'<>]+)"""
_INVOKE = re.compile(rf"<({_PREFIX})?invoke\s+name\s*=\s*{_QUOTED}\s*>")
_NAMED_PARAMETER = re.compile(rf"<(?:{_PREFIX})?parameter\s+name\s*=\s*{_QUOTED}\s*>")


@dataclass
class Parameters:
    """Parameters as they are written, the place after the last, and what is wrong with them."""

    written: dict[str, str] = field(default_factory=dict[str, str])
    end: int = 0
    error: str = ""


@dataclass
class Function:
    """`<function=NAME>` with what belongs to it; `body` is the place after that tag."""

    start: int
    wrapped: bool
    name: str
    body: int


def function_at(text: Text, start: int) -> Function | None:
    """The function that begins at `<tool_call>` or `<function=`; None when there is none."""
    head = _HEAD.match(text.text, start)
    return Function(start, head.group(1) is not None, head.group(2).strip(), head.end()) if head else None


def read_parameters(
    text: Text, start: int, opening: "re.Pattern[str]" = _PARAMETER, closing: str = "</parameter>"
) -> Parameters:
    """Elements one after another, with nothing but whitespace between."""
    read = Parameters(end=text.skip(start))
    while found := opening.match(text.text, read.end):
        stop = text.find(closing, found.end())
        if stop < 0:
            read.error = read.error or f"{found.group()} is never closed"
            read.end = len(text)
            return read
        name = found.group(1).strip().strip("\"'")
        if name in read.written:
            read.error = read.error or f"{name} is given twice"
        read.written[name] = text.text[found.end() : stop]
        read.end = text.skip(stop + len(closing))
    return read


def close_function(text: Text, function: Function, at: int) -> tuple[int, str]:
    """The end of a function whose parameters end at `at`, and what is wrong with it."""
    if text.text.startswith("</function>", at):
        end = at + len("</function>")
        after = text.skip(end)
        if text.text.startswith("</tool_call>", after) and function.wrapped:
            return after + len("</tool_call>"), ""
        if not text.strict:  # whether the tags nest is told for the whole message
            return end, ""
        return (
            end,
            "<tool_call> is not closed" if function.wrapped else "<function=…> is outside a <tool_call>",
        )
    stop = text.stop(at, "</function>", "</tool_call>", "<tool_call>", "<function=")
    if text.text.startswith("</function>", stop):
        end, wrong = close_function(text, function, stop)
        return end, wrong or "text outside a parameter"
    return max(stop, at), "</function> is missing"


def values_of(
    text: Text, name: str, read: Parameters, *, own_lines: bool = False
) -> tuple[dict[str, object], str]:
    """The values of parameters, and what is wrong with them. `own_lines`: a value has a line end on each side."""
    values: dict[str, object] = {}
    error = read.error
    if text.strict and isinstance(text.tools, Mapping) and name not in text.tools:
        error = error or f"no tool {name}"
    for key, written in read.written.items():
        if own_lines:
            written = written.removeprefix("\n").removesuffix("\n")
        try:
            values[key] = text.value(name, key, written)
        except CallSyntaxError as fault:
            error = error or str(fault)
    return values, error


def read_function(text: Text, function: Function) -> Block:
    """A `<function=NAME>` whose parameters are elements."""
    read = read_parameters(text, function.body)
    end, unclosed = close_function(text, function, read.end)
    values, error = values_of(text, function.name, read, own_lines=True)
    inside = next((tag for value in read.written.values() if (tag := _TAG.search(value))), None)
    error = error or unclosed or (f"a value cannot contain {inside.group()}" if inside else "")
    error = error if function.name else "the function has no name"
    call = FoundCall("qwen_xml", function.name or None, values, error, start=function.start, end=end)
    return Block(function.start, end, [call])


def read_invokes(text: Text, syntax: str, start: int, wrapper: str) -> Block | None:
    """`<invoke name="f"><parameter name="a">1</parameter></invoke>`, several in a wrapper's tags.

    None where no `<invoke>` follows on the wrapper's opening tag.
    """
    opening, closing = f"<{wrapper}>", f"</{wrapper}>"
    wrapped = text.text.startswith(opening, start)
    at = text.skip(start + len(opening)) if wrapped else start
    block = Block(start, at)
    while found := _INVOKE.match(text.text, at):
        name, prefix = found.group(2).strip("\"'"), found.group(1) or ""
        read = read_parameters(text, found.end(), _NAMED_PARAMETER, f"</{prefix}parameter>")
        values, error = values_of(text, name, read)
        ending = f"</{prefix}invoke>"
        if text.text.startswith(ending, read.end):
            at = read.end + len(ending)
        else:
            stop = text.stop(read.end, ending, closing, opening)
            error = error or (
                "text outside a parameter" if text.text.startswith(ending, stop) else "<invoke> is not closed"
            )
            at = stop + len(ending) if text.text.startswith(ending, stop) else stop
        inside = next((v for v in read.written.values() if "<parameter name=" in v or "</invoke>" in v), None)
        error = error or ("a parameter is not closed" if inside is not None else "")
        block.calls.append(FoundCall(syntax, name or None, values, error if name else "the call has no name"))
        block.end, at = at, text.skip(at)
    if not block.calls:
        return None
    if wrapped and text.text.startswith(closing, at):
        block.end = at + len(closing)
    elif wrapped:
        block.problems.append(("tags", f"{opening} is never closed"))
    for call in block.calls:
        call.start, call.end = block.start, block.end
    return block


def write_invokes(calls: Sequence[Call], wrapper: str) -> str:
    """The calls in the wrapper's tags, a parameter a line."""
    lines: list[str] = [f"<{wrapper}>"]
    for call in calls:
        lines.append(f'<invoke name="{call.name}">')
        lines += [
            f'<parameter name="{key}">{written(value)}</parameter>' for key, value in call.arguments.items()
        ]
        lines.append("</invoke>")
    return "\n".join([*lines, f"</{wrapper}>"])


def written(value: object) -> str:
    """A parameter's value as text: itself, or JSON where it is none."""
    return value if isinstance(value, str) else dump(value)
