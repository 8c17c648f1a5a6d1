"""Every dialect, in the order in which they are asked whether a text is theirs."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

from tunewright.chat.calls import (
    anthropic_xml,
    bare_json,
    code_mode,
    cohere,
    deepseek_v3,
    deepseek_v31,
    function_call_tag,
    function_tag,
    functiongemma,
    glaive,
    glm45,
    granite,
    harmony,
    hermes_json,
    keyvalue,
    kimi_k2,
    llama_json,
    minimax_xml,
    mistral,
    openai,
    phi4,
    python_in_tool_call,
    pythonic,
    qwen_xml,
    react,
)
from tunewright.chat.calls.found import Block, Call
from tunewright.chat.calls.text import Text


class Dialect(Protocol):
    """A module of this package.

    `OPENINGS` are the literal marks that begin its calls; `PATTERN`, where a module has it, is what begins one without a
    mark at the start of a line (RE2 syntax), and needs one of the literals `HINTS` in the text. `CLOSINGS` close nothing
    when they are met alone. `TAGS` matches the tags whose whitespace is told.
    """

    NAME: str
    OPENINGS: tuple[str, ...]

    def read(self, text: Text, start: int) -> Block | None:
        """The calls that begin there; None when they are not of this dialect."""
        ...

    def write(self, calls: Sequence[Call]) -> str:
        """The calls as text. Raises CallSyntaxError."""
        ...


_MODULES: tuple[Any, ...] = (
    code_mode,
    function_tag,
    qwen_xml,
    hermes_json,
    openai,
    mistral,
    llama_json,
    harmony,
    deepseek_v3,
    deepseek_v31,
    glm45,
    kimi_k2,
    functiongemma,
    phi4,
    granite,
    cohere,
    react,
    anthropic_xml,
    minimax_xml,
    pythonic,
    glaive,
    function_call_tag,
    keyvalue,
    bare_json,
    python_in_tool_call,  # whatever else stands in a <tool_call>, so it comes last
)
DIALECTS: dict[str, Dialect] = {module.NAME: cast(Dialect, module) for module in _MODULES}


def part(dialect: Dialect, name: str) -> Any:
    """An optional part of a dialect, or None."""
    return getattr(dialect, name, None)
