"""Every dialect, in the order in which they are asked whether a text is theirs."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import tunewright.chat.calls.anthropic_xml as anthropic_xml
import tunewright.chat.calls.bare_json as bare_json
import tunewright.chat.calls.code_mode as code_mode
import tunewright.chat.calls.cohere as cohere
import tunewright.chat.calls.deepseek_v3 as deepseek_v3
import tunewright.chat.calls.deepseek_v31 as deepseek_v31
import tunewright.chat.calls.function_call_tag as function_call_tag
import tunewright.chat.calls.function_tag as function_tag
import tunewright.chat.calls.functiongemma as functiongemma
import tunewright.chat.calls.glaive as glaive
import tunewright.chat.calls.glm45 as glm45
import tunewright.chat.calls.granite as granite
import tunewright.chat.calls.harmony as harmony
import tunewright.chat.calls.hermes_json as hermes_json
import tunewright.chat.calls.keyvalue as keyvalue
import tunewright.chat.calls.kimi_k2 as kimi_k2
import tunewright.chat.calls.llama_json as llama_json
import tunewright.chat.calls.minimax_xml as minimax_xml
import tunewright.chat.calls.mistral as mistral
import tunewright.chat.calls.openai as openai
import tunewright.chat.calls.phi4 as phi4
import tunewright.chat.calls.python_in_tool_call as python_in_tool_call
import tunewright.chat.calls.pythonic as pythonic
import tunewright.chat.calls.qwen_xml as qwen_xml
import tunewright.chat.calls.react as react
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
    python_in_tool_call,  # anything else inside a <tool_call>, so it comes last
)
DIALECTS: dict[str, Dialect] = {module.NAME: cast(Dialect, module) for module in _MODULES}


def part(dialect: Dialect, name: str) -> Any:
    """An optional part of a dialect, or None."""
    return getattr(dialect, name, None)
