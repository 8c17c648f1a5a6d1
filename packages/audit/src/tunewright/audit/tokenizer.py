"""A model's tokenizer and chat template, read from its folder without running anything of the model's."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tunewright.chat.calls import write
from tunewright.contract.base_tokenizer import chat_template, end_marks, special_tokens
from tunewright.contract.chat_template import ChatTemplate
from tunewright.contract.encoding import Encoder
from tunewright.contract.errors import UserError
from tunewright.contract.template_support import WriteCalls

AS_TEXT = "hermes_json"


class Tokenizer:
    """A model's tokenizer and chat template, from its folder; runs no code of the model's but the sandboxed template.

    Raises UserError when a file of the folder is damaged, and where the package's extra is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tokenizers import Tokenizer as Fast
        except ModuleNotFoundError as error:
            raise UserError(
                "the recipe's rows cannot be counted in tokens: the library tokenizers is not installed",
                "Install tunewright-audit[tokenizers], or leave out --recipe.",
            ) from error

        path = folder / "tokenizer.json"
        try:
            self._fast = Fast.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise UserError(
                f"{path} cannot be read: {error}", "Is it whole? Fetch the base model again."
            ) from error
        text = chat_template(folder)
        vocabulary = self._fast.get_vocab(with_added_tokens=True)
        # mlx-lm lets models that can think do so.
        thinks = {"enable_thinking": all(mark in vocabulary for mark in ("<think>", "</think>"))}
        self._template = ChatTemplate(text, {**special_tokens(folder), **thinks})
        self._ends = end_marks(folder, self._fast.id_to_token)
        self.has_template = bool(text)

    @cached_property
    def encoder(self) -> Encoder:
        """The trainer's own way from conversations to tokens."""
        return Encoder(
            self.render, lambda text: self._fast.encode(text, add_special_tokens=False).ids, self._ends
        )

    def render(
        self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]] | None, opened: bool
    ) -> str:
        """The conversation as text, ending with the opening of an answer when `opened`."""
        return self._template.render(messages, tools, opened=opened)

    def encode(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends in the text."""
        return self._fast.encode(text, add_special_tokens=False).offsets


def call_writer(syntax: str) -> WriteCalls:
    """How calls become text in a recipe's dialect, where the base's template has no place for them.

    `openai` writes calls as data alone; those become Hermes's JSON, which most servers read.
    """
    dialect = AS_TEXT if syntax == "openai" else syntax
    return lambda calls: write(calls, dialect)
