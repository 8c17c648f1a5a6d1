"""How a call is written inside an assistant message: the `code_mode` syntax.

    I'll look that up.

    <tool_call><function=execute_code>
    <parameter=code>
    result = goto_definition("src/app.py", 10, "UserService")
    print(result.locations[0].file)
    </parameter>
    </function></tool_call>

A turn is text with any number of programs between. Parsing is strict: what a lenient server would repair
(a missing end tag, a second function in a block) is an error here, because a number that rests on repairs
says nothing about the model.
"""

import ast
import builtins
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import tunewright.chat.calls.found as found
from tunewright.chat.calls.found import Block, CallSyntaxError, FoundCall
from tunewright.chat.calls.python_calls import parse_program, program_calls, write_call
from tunewright.chat.calls.text import Text
from tunewright.chat.calls.xml_calls import close_function, function_at, read_parameters

NAME = "code_mode"
OPENINGS = ("<tool_call>", "<function=")
TAGS = r"</?(?:tool_call|function|parameter)\b[^<>\n]*>"
FUNCTION = "execute_code"
OPEN = "<tool_call><function=execute_code>\n<parameter=code>\n"
CLOSE = "\n</parameter>\n</function></tool_call>"
# `<` ends a tag's text as `>` does, so that looking for tags takes time in proportion to the text.
_TAGS = re.compile(r"</?(?:tool_call|function|parameter)\b[^<>\n]*>")
_OPENING = ("<tool_call>", "<function=execute_code>", "<parameter=code>")
_CLOSING = ("</parameter>", "</function>", "</tool_call>")
_BUILTINS = frozenset(vars(builtins))


def read(text: Text, start: int) -> Block | None:
    """One program, as far as it goes."""
    function = function_at(text, start)
    if function is None or function.name != FUNCTION:
        return None
    parameters = read_parameters(text, function.body)
    end, _ = close_function(text, function, parameters.end)
    code = parameters.written.get("code")
    if code is None and (begin := text.find("<parameter=code>", function.body)) >= 0:
        calls = program_calls(NAME, text.text[begin + len("<parameter=code>") :])
        calls = calls or [FoundCall(NAME, None)]
        for call in calls:
            call.error = call.error or "<parameter=code> is never closed"
    elif code is None:
        calls = [FoundCall(NAME, None, error="no <parameter=code> in the call")]
    else:
        calls = program_calls(NAME, code)
    for call in calls:
        call.start, call.end = start, end
    # A program that calls no tool is a call of code mode all the same, but of no tool.
    return Block(start, end, calls)


def write(calls: Sequence[found.Call]) -> str:
    """A program that makes the calls one after another."""
    return render_program("\n".join(write_call(call) for call in calls))


@dataclass(frozen=True)
class Turn:
    """An assistant message taken apart: text before, programs, and text after each program."""

    preamble: str
    programs: tuple[str, ...] = ()
    between: tuple[str, ...] = ()  # text after each program, as many as there are programs


def render_program(code: str) -> str:
    """Write one program as a call. Raises CallSyntaxError when the code holds a tag of the syntax itself."""
    if found := _TAGS.search(code):
        raise CallSyntaxError(f"a program cannot contain {found.group()}: it would end the call early")
    return f"{OPEN}{code}{CLOSE}"


def render_turn(turn: Turn) -> str:
    """The inverse of `parse_turn` for turns whose whitespace is canonical."""
    between = turn.between or ("",) * len(turn.programs)
    if len(between) != len(turn.programs):
        raise CallSyntaxError("a turn needs one text after each program")
    parts = [turn.preamble]
    for code, after in zip(turn.programs, between):
        parts += [render_program(code), after]
    return "".join(parts)


def parse_turn(text: str) -> Turn:
    """Take an assistant message apart.

    Raises CallSyntaxError when a tag is outside a whole block, or a block holds another one.
    """
    tags = list(_TAGS.finditer(text))
    texts: list[str] = []
    programs: list[str] = []
    end = 0
    for first in range(0, len(tags), 6):
        start, code, close = tags[first], tags[first + 2 : first + 4], tags[first + 3 : first + 6]
        if not _stand_together(tags[first : first + 3], _OPENING, text):
            raise CallSyntaxError(f"{start.group()} is outside a complete call")
        # The code has lines of its own, and is kept byte for byte.
        begin, stop = code[0].end() + 1, code[-1].start() - 1
        own_lines = begin <= stop and text[begin - 1] == "\n" and text[stop] == "\n"
        if not _stand_together(close, _CLOSING, text) or not own_lines:
            inside = next((tag.group() for tag in close if tag.group() not in _CLOSING), "")
            if inside:
                raise CallSyntaxError(
                    f"a call is wrapped in a call, or not closed: {inside} inside a program"
                )
            raise CallSyntaxError(f"{start.group()} is outside a complete call: its end is not well formed")
        texts.append(text[end : start.start()])
        programs.append(text[begin:stop])
        end = close[-1].end()
    texts.append(text[end:])
    return Turn(texts[0], tuple(programs), tuple(texts[1:]))


def _stand_together(tags: Sequence[re.Match[str]], wanted: Sequence[str], text: str) -> bool:
    """Whether these are the wanted tags, with nothing but whitespace between."""
    if [tag.group() for tag in tags] != list(wanted):
        return False
    return all(not text[a.end() : b.start()].strip() for a, b in pairwise(tags))


@dataclass(frozen=True)
class Call:
    """One call of a tool inside a program.

    `positional` and `named` hold literal values; an argument that is an expression is an `Expression`.
    """

    name: str
    positional: tuple[Any, ...] = ()
    named: tuple[tuple[str, Any], ...] = ()
    line: int = 1  # in the program, from 1

    def bind(self, parameters: Sequence[str]) -> dict[str, Any]:
        """Arguments by parameter name. Raises CallSyntaxError for too many, unknown or repeated ones."""
        if len(self.positional) > len(parameters):
            raise CallSyntaxError(
                f"{self.name} takes {len(parameters)} arguments, got {len(self.positional)}"
            )
        bound = dict(zip(parameters, self.positional))
        for key, value in self.named:
            if key not in parameters:
                raise CallSyntaxError(f"{self.name} has no parameter {key!r}")
            if key in bound:
                raise CallSyntaxError(f"{self.name} got {key!r} twice")
            bound[key] = value
        return bound


@dataclass(frozen=True)
class Expression:
    """An argument that is computed, kept as its source text."""

    source: str


def calls_in(code: str | ast.Module, tools: Collection[str] | None = None) -> list[Call]:
    """Calls of tools in a program, in source order. Raises CallSyntaxError when it is not Python.

    With `tools`, only calls of those names; without, every call of a bare name that is neither a Python
    builtin nor defined by the program itself. A program that is parsed already may be given as its tree.
    """
    tree = parse_program(code) if isinstance(code, str) else code
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    found: list[tuple[tuple[int, int], Call]] = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        name = node.func.id
        if (name not in tools) if tools is not None else (name in _BUILTINS or name in own):
            continue
        positional = tuple(_value(argument) for argument in node.args)
        named = tuple((keyword.arg or "**", _value(keyword.value)) for keyword in node.keywords)
        found.append(((node.lineno, node.col_offset), Call(name, positional, named, node.lineno)))
    found.sort(key=lambda pair: pair[0])
    return [call for _, call in found]


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return Expression(ast.unparse(node))
