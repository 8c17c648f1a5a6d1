"""From messages to tokens, and which of the tokens get loss.

A conversation is rendered by the model's own chat template, cut where the assistant's turns begin and end,
and each piece is tokenized by itself. So a turn's first token is the same in training as in generation,
where the prompt is tokenized alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Message

Mask = Literal["assistant", "last_assistant", "none"]


@dataclass(frozen=True)
class Encoded:
    """One example as the model sees it: `tokens`, and for each whether predicting it is trained."""

    tokens: tuple[int, ...]
    trained: tuple[bool, ...]
    row: int = 0  # in its file, from 1

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def trainable(self) -> int:
        """Tokens that get loss. The first token has nothing before it to be predicted from."""
        return sum(self.trained[1:])


@dataclass(frozen=True)
class Piece:
    """A stretch of rendered text."""

    text: str
    trained: bool


class Encoder:
    """Renders and tokenizes conversations for one model.

    `render(messages, open)` gives the template's text, ending with the opening of an assistant turn when
    `open`; `tokenize` gives a text's tokens, adding none; `end` closes a turn (`<|im_end|>`).
    """

    def __init__(
        self,
        render: Callable[[Sequence[Message], bool], str],
        tokenize: Callable[[str], list[int]],
        end: str,
    ) -> None:
        self._render = render
        self._tokenize = tokenize
        self._end = end

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens after which the model writes its turn."""
        pieces = self._turns_or_whole(messages, self._render(messages, True), closed=False)
        return [token for piece in pieces for token in self._tokenize(piece.text)]

    def example(self, example: Example, mask: Mask, row: int = 0) -> Encoded:
        """A training example. Raises UserError when the template does not render turns one after another."""
        pieces = self.pieces(example.messages, mask)
        tokens: list[int] = []
        trained: list[bool] = []
        for piece in pieces:
            new = self._tokenize(piece.text)
            tokens += new
            trained += [piece.trained] * len(new)
        return Encoded(tuple(tokens), tuple(trained), row)

    def pieces(self, messages: Sequence[Message], mask: Mask) -> list[Piece]:
        """The rendered conversation, cut where training starts and stops."""
        text = self._render(messages, False)
        if mask == "none":
            return [Piece(p.text, True) for p in self._turns_or_whole(messages, text, closed=True)]
        return self._turns(messages, text, closed=True, last_only=mask == "last_assistant")

    def _turns_or_whole(self, messages: Sequence[Message], text: str, *, closed: bool) -> list[Piece]:
        try:
            return self._turns(messages, text, closed=closed)
        except UserError:
            # A template that shortens earlier turns: what it renders now is what the model is used to.
            return [Piece(text, False)]

    def _turns(
        self, messages: Sequence[Message], text: str, *, closed: bool, last_only: bool = False
    ) -> list[Piece]:
        """Cut `text` at the assistant's turns; those are `trained`, from their opening to their end mark."""
        at = [i for i, message in enumerate(messages) if message.role == "assistant"]
        if last_only:
            at = at[-1:]
        cuts: list[int] = []
        for i in at:
            # A template may refuse to render no messages at all.
            before = self._render(messages[:i], True) if i else text[: _opening(text, messages[0].content)]
            after = self._render(messages[: i + 1], False) if i + 1 < len(messages) or not closed else text
            if not (text.startswith(before) and after.startswith(before) and text.startswith(after)):
                raise UserError(
                    "the model's chat template renders a turn differently once another one follows it "
                    f"(message {i + 1}), so that the turn cannot be trained as it is answered",
                    'Set train.mask = "last_assistant" in the recipe, or use a base model whose template '
                    "keeps earlier turns as they were.",
                )
            written = text[len(before) : len(after)]
            mark = written.rfind(self._end)
            stop = len(after) if mark < 0 else len(before) + mark + len(self._end)
            cuts += [len(before), stop]
        edges = [0, *cuts, len(text)]
        return [
            Piece(text[start:stop], number % 2 == 1)
            for number, (start, stop) in enumerate(pairwise(edges))
            if stop > start
        ]


def _opening(text: str, content: str) -> int:
    """Where the first turn's own content begins in a rendered conversation."""
    return max(text.find(content.strip()), 0)


def encoder_for(tokenizer: Any) -> Encoder:
    """An encoder on mlx-lm's tokenizer. Raises UserError when the model has no chat template."""
    if not tokenizer.has_chat_template:
        raise UserError(
            "the base model has no chat template",
            "Use an instruction-tuned base, or add chat_template.jinja.",
        )

    def render(messages: Sequence[Message], open_turn: bool) -> str:
        rows = [message.row() for message in messages]
        return tokenizer.apply_chat_template(rows, tokenize=False, add_generation_prompt=open_turn)

    def tokenize(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False)

    return Encoder(render, tokenize, tokenizer.eos_token)


@dataclass(frozen=True)
class Dropped:
    """Rows that do not train, and why; row numbers count from 1."""

    too_long: tuple[int, ...] = ()
    nothing_trained: tuple[int, ...] = ()


def encode_all(
    encoder: Encoder,
    examples: Sequence[Example],
    *,
    mask: Mask,
    max_length: int,
    origin: str,
    tick: Callable[[], None] = lambda: None,
) -> tuple[list[Encoded], Dropped]:
    """Encode a split. Rows longer than `max_length` tokens are dropped, never cut: the call is at the end.

    Raises UserError naming `origin` and the row, and when no row is left.
    """
    kept: list[Encoded] = []
    too_long: list[int] = []
    nothing: list[int] = []
    longest = 0
    for row, example in enumerate(examples, start=1):
        tick()
        try:
            encoded = encoder.example(example, mask, row)
        except UserError as error:
            raise UserError(f"{origin}, example {row}: {error.message}", error.hint) from error
        except Exception as error:
            # A template is a program of the model's author; what it raises has no common type.
            if "jinja" not in type(error).__module__:
                raise
            raise UserError(
                f"{origin}, example {row}: the chat template refuses it ({error})",
                "Check the order of roles in this example.",
            ) from error
        longest = max(longest, len(encoded))
        if len(encoded) > max_length:
            too_long.append(row)
        elif not encoded.trainable:
            nothing.append(row)
        else:
            kept.append(encoded)
    if not kept:
        raise UserError(
            f"{origin}: nothing to train on: of {len(examples)} examples {len(too_long)} are longer than "
            f"{max_length} tokens (the longest has {longest}) and {len(nothing)} have no token with loss",
            "Raise train.max_seq_length, or check that the examples hold assistant messages.",
        )
    return kept, Dropped(tuple(too_long), tuple(nothing))
