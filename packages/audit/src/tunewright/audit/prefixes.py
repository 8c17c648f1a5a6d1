"""trainer.prefix: turns trained behind other tokens than the model is served behind, by trainers that render a row once.

Our own trainer renders each turn as it is served (docs/decisions/0021-rendering-once.md). mlx-lm and most others render the
whole row as it is written: a template that drops thoughts of earlier turns, arguments that are text, and the nulls
that Arrow adds give a turn a beginning that it never has when the model is served.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tunewright.audit.tokenizer import Tokenizer
from tunewright.chat import arrow_nulls
from tunewright.chat.tools import openai_tools
from tunewright.contract.chat_template import TemplateRefusal

Row = dict[str, Any]
SHOWN = 24  # characters before and after the first difference that are shown


@dataclass(frozen=True)
class OtherPrefix:
    """An assistant turn, by its message's number from 1, and what is trained and served where the two first differ."""

    message: int
    trained: str
    served: str


def other_prefixes(
    messages: Sequence[Row],
    tools: Sequence[Any] | None,
    as_text: Mapping[int, Mapping[int, str]],
    tokenizer: Tokenizer,
) -> list[OtherPrefix]:
    """The assistant turns of a row whose prefix differs; none where the template refuses the row.

    `messages` have calls with objects as arguments; they and `tools` may be padded with nulls. `as_text` has the arguments
    that the row writes as text, by the message's number from 1 and the call's from 0.
    """
    written = deepcopy(list(messages))
    for number, arguments in as_text.items():
        for call, text in arguments.items():
            written[number - 1]["tool_calls"][call]["function"]["arguments"] = text
    offered = openai_tools(list(tools or ())) or None
    clean = arrow_nulls.without(tools or ())
    served = arrow_nulls.of_messages(messages, clean)
    try:
        whole = tokenizer.render(written, offered, False)
        prompts = {
            number: tokenizer.render(served[:number], openai_tools(clean) or None, True)
            for number, message in enumerate(served)
            if message["role"] == "assistant" and number
        }
    except TemplateRefusal:
        return []
    starts: set[int] = set()
    found: list[OtherPrefix] = []
    for number, prompt in prompts.items():
        at = next((n for n, (a, b) in enumerate(zip(whole, prompt)) if a != b), min(len(whole), len(prompt)))
        if at == len(prompt):
            # Only where a token begins with the turn are those before it the prompt's.
            starts = starts or {start for start, _ in tokenizer.encode(whole)} | {len(whole)}
            if at in starts:
                continue
        found.append(OtherPrefix(number + 1, _around(whole, at), _around(prompt, at)))
    return found


def _around(text: str, at: int) -> str:
    return text[max(0, at - SHOWN) : at + SHOWN]
