"""What a server makes of an answer: mlx-lm's parser of Qwen3-Coder calls, in its own lenient way.

Scores rest on the strict parser; where a server repairs an answer, or damages it, the verdict may differ, and
the score says in how many cases. Follows `mlx_lm/tool_parsers/qwen3_coder.py` 0.32.2, against which it is
tested: a program is cut at the first `</parameter>` inside it, a second function of a block is taken for
text of the first, of two values of one parameter the last is kept, and a block without a function is dropped.
"""

import re

from tunewright.chat.calls.code_mode import CallSyntaxError
from tunewright.eval.parse import LONGEST, Answer, parse_code

_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_NAME = re.compile(r"\s*([^\s<>]+)>?")


def served_call(block: str) -> tuple[str, dict[str, str]] | None:
    """The function's name and its parameters in the text between `<tool_call>` tags; None: call dropped.

    The server's expressions, read as searches: theirs take quadratic time on tags that never close.
    """
    body = block.removesuffix("\n")
    begin = body.find("<function=")
    if begin < 0 or not body.endswith("</function>") or len(body) - begin < len("<function=</function>"):
        return None
    text = body[begin + len("<function=") : -len("</function>")]
    name = _NAME.match(text)
    if name is None:
        return None
    parameters: dict[str, str] = {}
    position = name.end()
    while (start := text.find("<parameter=", position)) >= 0:
        stop = text.find("</parameter>", start)
        if stop < 0:
            break
        inner = text[start + len("<parameter=") : stop]
        parameter = _NAME.match(inner)
        if parameter is not None:
            parameters[parameter[1]] = inner[parameter.end() :].removeprefix("\n").removesuffix("\n")
        position = stop + len("</parameter>")
    return name[1], parameters


def served_answer(text: str) -> Answer:
    """The answer as a client of the server sees it. Raises CallSyntaxError when a program is not Python."""
    if len(text) > LONGEST:
        raise CallSyntaxError("too long to be judged")
    programs: list[str] = []
    for block in _BLOCK.findall(text):
        call = served_call(block)
        if call is None:
            continue
        name, parameters = call
        if name != "execute_code" or "code" not in parameters:
            raise CallSyntaxError(f"the server would call {name} with {', '.join(parameters) or 'nothing'}")
        programs.append(parameters["code"])
    return Answer(_BLOCK.sub("", text), tuple(parse_code(code) for code in programs), tuple(programs))
