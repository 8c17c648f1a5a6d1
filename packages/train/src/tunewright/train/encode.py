"""The encoder of a model that mlx-lm loaded: its own chat template and tokenizer."""

from collections.abc import Sequence
from typing import Any

from tunewright.contract.chat_template import TemplateRefusal, strftime_now
from tunewright.contract.encoding import Dropped, Encoded, EncodedSplit, Encoder, encode_all
from tunewright.contract.errors import UserError
from tunewright.contract.loss_mask import Mask
from tunewright.contract.template_support import Row

__all__ = ["Dropped", "Encoded", "EncodedSplit", "Encoder", "Mask", "encode_all", "encoder_for"]


def encoder_for(tokenizer: Any) -> Encoder:
    """An encoder on mlx-lm's tokenizer. Raises UserError when the model has no chat template."""
    if not tokenizer.has_chat_template:
        raise UserError(
            "the base model has no chat template",
            "Use an instruction-tuned base, or add chat_template.jinja.",
        )
    # A variable of this name goes before transformers' own function, which tells the day.
    asks = isinstance(tokenizer.chat_template, str) and "strftime_now" in tokenizer.chat_template
    fixed: dict[str, Any] = {"strftime_now": strftime_now} if asks else {}

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
