"""From conversations to tokens, for one model: the same in training, in prediction and in the audit."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Message
from tunewright.contract.loss_mask import CONTEXT, Conversation, Mask, Piece
from tunewright.contract.template_support import Render, Row, TemplateSupport, missing_tools, probe_template

TOOLS_SHOWN = 12


@dataclass(frozen=True)
class Encoded:
    """One training row as the model sees it: `tokens`, and for each the weight of its loss, from 0 to 1.

    `answers` are the trained turns: a message's number, from 0, and how many of its tokens get loss.
    """

    tokens: tuple[int, ...]
    trained: tuple[float, ...]
    row: int = 0  # the example's number in its file, from 1
    answers: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def trainable(self) -> int:
        """Tokens that get loss. The first token has nothing before it to be predicted from."""
        return sum(weight > 0 for weight in self.trained[1:])


class Encoder:
    """Renders and tokenizes conversations for one model.

    `render` gives the template's text and raises TemplateRefusal; `tokenize` gives a text's tokens, adding none; `ends` are
    the marks that close a turn (`<|im_end|>`).
    """

    def __init__(self, render: Render, tokenize: Callable[[str], list[int]], ends: Sequence[str]) -> None:
        self._render = render
        self._tokenize = tokenize
        self._ends = tuple(ends)

    @cached_property
    def support(self) -> TemplateSupport:
        """What the model's template renders."""
        return probe_template(self._render)

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self._tokenize(text))

    def prompt(self, messages: Sequence[Message], tools: Sequence[Row] = ()) -> list[int]:
        """The tokens after which the model writes its turn. Raises TemplateRefusal."""
        pieces = self.prompt_pieces(messages, tools)
        return [token for piece in pieces for token in self._tokenize(piece.text)]

    def prompt_pieces(self, messages: Sequence[Message], tools: Sequence[Row] = ()) -> list[Piece]:
        """The text of a prompt. Raises TemplateRefusal."""
        pieces = self._conversation(messages, tools).prompt()
        self._check(messages, tools, "".join(piece.text for piece in pieces))
        return pieces

    def rows(self, example: Example, mask: Mask, row: int = 0) -> list[Encoded]:
        """The training rows of an example: one, or several where the template changes earlier turns.

        Raises TemplateRefusal.
        """
        return [self._encoded(pieces, row) for pieces in self.pieces(example, mask)]

    def pieces(self, example: Example, mask: Mask) -> list[list[Piece]]:
        """The text of each training row, cut where training starts and stops. Raises TemplateRefusal."""
        rows = self._conversation(example.messages, example.tools).rows(mask)
        self._check(example.messages, example.tools, "".join(piece.text for piece in rows[0]))
        return rows

    def _conversation(self, messages: Sequence[Message], tools: Sequence[Row]) -> Conversation:
        return Conversation(messages, tools, self._render, self.support, self._ends)

    def _check(self, messages: Sequence[Message], tools: Sequence[Row], text: str) -> None:
        """Raises TemplateRefusal when the template drops a tool or a call without a word."""
        if not self.support.calls and any(message.tool_calls for message in messages):
            raise TemplateRefusal("it has no place for tool_calls")
        if tools and not self.support.tools and (missing := missing_tools(text, tools)):
            raise TemplateRefusal(f"it has no place for tools, and drops {missing[0]}")

    def _encoded(self, pieces: Sequence[Piece], row: int) -> Encoded:
        tokens: list[int] = []
        trained: list[float] = []
        answers: list[tuple[int, int]] = []
        for piece in pieces:
            new = self._tokenize(piece.text)
            tokens += new
            trained += [piece.weight] * len(new)
            if piece.message != CONTEXT and piece.trained:
                answers.append((piece.message, len(new)))
        return Encoded(tuple(tokens), tuple(trained), row, tuple(answers))


@dataclass(frozen=True)
class Dropped:
    """Examples that do not train, or not whole, and why; numbers count from 1."""

    too_long: tuple[int, ...] = ()
    nothing_trained: tuple[int, ...] = ()
    text_with_calls: tuple[
        int, ...
    ] = ()  # trained, but the template drops what is said in the turn of a call


@dataclass(frozen=True)
class EncodedSplit:
    """A split as training rows, what was left out, and the tokens with loss of each tool's calls, none included."""

    rows: list[Encoded]
    dropped: Dropped
    tool_tokens: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def untrained(self) -> list[str]:
        """Tools that are called and get no loss anywhere."""
        return sorted(tool for tool, tokens in self.tool_tokens.items() if not tokens)


Called = Callable[[Example], Sequence[tuple[int, str]]]


def called_tools(example: Example) -> list[tuple[int, str]]:
    """Each call that is data, or was before it became text: its message's number, from 0, and the tool."""
    calls = [
        (n, call.function.name) for n, message in enumerate(example.messages) for call in message.tool_calls
    ]
    return calls or list(example.meta.calls)


def encode_all(
    encoder: Encoder,
    examples: Sequence[Example],
    *,
    mask: Mask,
    max_length: int,
    origin: str,
    tick: Callable[[], None] = lambda: None,
    called: Called = called_tools,
) -> EncodedSplit:
    """Encode a split. Rows longer than `max_length` tokens are dropped, never cut: the call is at the end.

    A tool's tokens are those with loss in the turns that call it. Raises UserError naming `origin` and the row, and when
    no row is left.
    """
    kept: list[Encoded] = []
    too_long: list[int] = []
    nothing: list[int] = []
    unsaid: list[int] = []
    tools: Counter[str] = Counter()
    longest = 0
    for number, example in enumerate(examples, start=1):
        tick()
        rows = list(_rows(encoder, example, mask, number, origin))
        longest = max(longest, *map(len, rows))
        short = [row for row in rows if len(row) <= max_length]
        useful = [row for row in short if row.trainable]
        if len(short) < len(rows):
            too_long.append(number)
        elif not useful:
            nothing.append(number)
        if not encoder.support.text_with_calls and any(m.tool_calls and m.content for m in example.messages):
            unsaid.append(number)
        kept += useful
        trained: Counter[int] = Counter()
        for message, count in (answer for row in useful for answer in row.answers):
            trained[message] += count
        for message, tool in dict.fromkeys(called(example)):
            tools[tool] += trained[message]
    if not kept:
        raise UserError(
            f"{origin}: nothing to train on: of {len(examples)} examples {len(too_long)} are longer than "
            f"{max_length} tokens (the longest has {longest}) and {len(nothing)} have no token with loss",
            "Raise train.max_seq_length, or check that the examples hold assistant messages.",
        )
    return EncodedSplit(kept, Dropped(tuple(too_long), tuple(nothing), tuple(unsaid)), dict(tools))


def _rows(encoder: Encoder, example: Example, mask: Mask, number: int, origin: str) -> Iterator[Encoded]:
    try:
        yield from encoder.rows(example, mask, number)
    except TemplateRefusal as error:
        hint = (
            "Prepare the data where the base model's tokenizer is at hand: tools and calls become text there."
            if not encoder.support.native and (example.tools or called_tools(example))
            else "Check the order of roles in this example."
        )
        raise UserError(
            f"{origin}, example {number}: the chat template refuses it ({error})", hint
        ) from error


def check_tools_trained(split: EncodedSplit, origin: str) -> None:
    """Raises UserError for a tool whose calls get no loss at all: the run would end with a model that never calls it."""
    if split.untrained:
        names = ", ".join(split.untrained[:5]) + (", …" if len(split.untrained) > 5 else "")
        raise UserError(
            f"{origin}: no token of any call of {names} is trained",
            "The mask, the messages' weights or train.max_seq_length leave every one out: look at "
            'train.mask = "assistant", and at rows that are too long.',
        )


def tool_tokens_text(tokens: Any) -> str:
    """Tokens with loss by tool in a line, the fewest first: those are what a reader looks for."""
    counts = (
        {str(name): n for name, n in tokens.items() if isinstance(n, int)} if isinstance(tokens, dict) else {}
    )
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    shown = ", ".join(f"{name} {count:,}" for name, count in ordered[:TOOLS_SHOWN])
    return shown + (f", and {len(ordered) - TOOLS_SHOWN} more" if len(ordered) > TOOLS_SHOWN else "")
