"""The encoder of a model that mlx-lm loaded: its own chat template and tokenizer."""

import json
import re
from collections.abc import Sequence
from typing import Any

from tunewright.contract.chat_template import TemplateRefusal, strftime_now
from tunewright.contract.encoding import Dropped, Encoded, EncodedSplit, Encoder, encode_all
from tunewright.contract.errors import UserError
from tunewright.contract.loss_mask import Mask
from tunewright.contract.template_support import Row

__all__ = ["Dropped", "Encoded", "EncodedSplit", "Encoder", "Mask", "encode_all", "encoder_for"]


_ASKS_FOR_THE_DAY = re.compile(r"""strftime_now\(\s*(["'])((?:(?!\1).)*)\1\s*\)""")


def with_a_day(template: str) -> str:
    """A chat template whose text does not depend on the day it is rendered: `strftime_now` of `A_DAY`."""
    return _ASKS_FOR_THE_DAY.sub(lambda asks: json.dumps(strftime_now(asks[2])), template)


def encoder_for(tokenizer: Any) -> Encoder:
    """An encoder on mlx-lm's tokenizer. Raises UserError when the model has no chat template."""
    if not tokenizer.has_chat_template:
        raise UserError(
            "the base model has no chat template",
            "Use an instruction-tuned base, or add chat_template.jinja.",
        )
    # transformers' own function tells the day, and since 5.23 no variable of a caller can be a function: what the template
    # would be told is written into it.
    text = tokenizer.chat_template
    dated = isinstance(text, str) and "strftime_now" in text
    fixed: dict[str, Any] = {"chat_template": with_a_day(text)} if dated else {}

    def render(rows: Sequence[Row], tools: Sequence[Row] | None, opened: bool) -> str:
        offered = list(tools) if tools else None
        try:
            return tokenizer.apply_chat_template(
                list(rows), tools=offered, tokenize=False, add_generation_prompt=opened, **fixed
            )
        except Exception as error:  # a template is a program of the model's author, and can fail in any way
            raise TemplateRefusal(str(error)) from error

    def tokenize(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    ends = tokenizer.convert_ids_to_tokens(sorted(tokenizer.eos_token_ids))
    return Encoder(render, tokenize, [end for end in ends if end])
