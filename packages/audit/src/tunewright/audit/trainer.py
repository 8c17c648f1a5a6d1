"""What a trainer would really do with the rows: their length in the recipe's tokens, the loss on each call, batches.

Two trainers are followed: ours, which drops what is too long and puts every row into a batch, and mlx-lm's own
(0.32.2, read in its source), which cuts the tail, takes consecutive rows with equally many keys for a batch, leaves the
last `n % batch_size` rows out, and with `--mask-prompt` trains the last answer only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from tunewright.audit.database import insert
from tunewright.audit.ingest import Report
from tunewright.chat.calls import find
from tunewright.contract.base_tokenizer import chat_template, special_tokens, tokenizer_folder
from tunewright.contract.chat_template import ChatTemplate, TemplateRefusal
from tunewright.contract.errors import UserError

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe

PAGE = 2000  # examples in memory at a time

_TABLES = """
CREATE TABLE trainer (base VARCHAR, tokenizer VARCHAR, max_seq_length INTEGER, batch_size INTEGER, mask VARCHAR);
CREATE TABLE tokens (example BIGINT, tokens INTEGER, mlx_prompt INTEGER, trained INTEGER, refused VARCHAR);
CREATE TABLE token_calls (
    example BIGINT, message INTEGER, first INTEGER, last INTEGER, trained BOOLEAN, mlx_trained BOOLEAN
);
CREATE TABLE mlx_batches (batch INTEGER, example BIGINT);
"""


@dataclass(frozen=True)
class Span:
    """An assistant message in a rendered conversation, in tokens: [start, end), its call from `call` on (or -1)."""

    message: int
    start: int
    end: int
    call: int = -1


@dataclass(frozen=True)
class Measured:
    """One example in tokens. `prompt` is where mlx-lm's `--mask-prompt` begins to train."""

    tokens: int
    prompt: int
    spans: tuple[Span, ...]
    refused: str = ""


class Tokenizer:
    """A model's tokenizer and chat template, from its folder; runs no code of the model's but the sandboxed template.

    Raises UserError when a file of the folder is damaged.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer as Fast

        path = folder / "tokenizer.json"
        try:
            self._fast = Fast.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise UserError(
                f"{path} cannot be read: {error}", "Is it whole? Fetch the base model again."
            ) from error
        text = chat_template(folder)
        self._template = ChatTemplate(text, special_tokens(folder))
        self.has_template = bool(text)

    def render(self, messages: Sequence[dict[str, Any]], tools: list[Any] | None, opened: bool) -> str:
        """The conversation as text, ending with the opening of an answer when `opened`."""
        return self._template.render(messages, tools, opened=opened)

    def encode(self, text: str) -> list[tuple[int, int]]:
        """Where each token begins and ends in the text."""
        return self._fast.encode(text, add_special_tokens=False).offsets


def measure(messages: Sequence[dict[str, Any]], tools: list[Any] | None, tokenizer: Tokenizer) -> Measured:
    """Lengths and places of one conversation in tokens. What the template refuses has length 0 and a reason."""
    try:
        whole = tokenizer.render(messages, tools, False)
        edges: list[tuple[int, int, int, int]] = []
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(tokenizer.render(messages[:number], tools, True))
            end = (
                len(whole)
                if number + 1 == len(messages)
                else len(tokenizer.render(messages[: number + 1], tools, False))
            )
            edges.append((number + 1, start, end, _call_start(message, whole, start, end)))
        answered = bool(messages) and messages[-1]["role"] == "assistant"
        prompt = len(tokenizer.render(messages[:-1], tools, answered)) if len(messages) > 1 else 0
    except TemplateRefusal as error:
        return Measured(0, 0, (), str(error)[:200])
    offsets = tokenizer.encode(whole)
    place = _places(offsets)
    spans = tuple(
        Span(number, place(start), place(end), -1 if call < 0 else place(call))
        for number, start, end, call in edges
    )
    return Measured(len(offsets), place(prompt), spans)


def _call_start(message: dict[str, Any], whole: str, start: int, end: int) -> int:
    """The character at which the message's call begins; -1 without a call."""
    if message.get("tool_calls"):
        said = str(message.get("content") or "")
        return start + (whole[start:end].find(said) + len(said) if said else 0)
    content = str(message.get("content") or "")
    first = next(iter(find(content).calls), None)
    if first is None:
        return -1
    # Templates trim what is said, and some rewrite what stands before the call.
    at = whole.find(content.strip(), start, end)
    if at >= 0:
        return at + first.start - (len(content) - len(content.lstrip()))
    return whole.find(content[first.start : first.end].strip(), start, end)


def _places(offsets: list[tuple[int, int]]) -> Callable[[int], int]:
    from bisect import bisect_left

    starts = [start for start, _ in offsets]
    return lambda character: bisect_left(starts, character)


def trained_spans(measured: Measured, mask: str, limit: int) -> tuple[list[tuple[Span, bool]], int]:
    """For each answer whether ours trains it, and the number of tokens with loss; a row that is too long is dropped."""
    if measured.tokens > limit:
        return [(span, False) for span in measured.spans], 0
    if mask == "none":
        return [(span, True) for span in measured.spans], max(0, measured.tokens - 1)
    last = measured.spans[-1:] if mask == "last_assistant" else measured.spans
    return [(span, span in last) for span in measured.spans], sum(span.end - span.start for span in last)


def mlx_batches(keys: Sequence[int], batch_size: int) -> list[list[int]]:
    """Row numbers of each batch of mlx-lm: rows in file order, sorted by number of keys, the remainder left out."""
    order = sorted(range(len(keys)), key=lambda row: keys[row])
    return [order[i : i + batch_size] for i in range(0, len(order) - batch_size + 1, batch_size)]


def simulate(connection: duckdb.DuckDBPyConnection, recipe: "Recipe | None", report: Report) -> None:
    """Fill the tables that checks/trainer_*.sql ask; they stay empty without a recipe."""
    connection.execute(_TABLES)
    if recipe is None:
        return
    train = recipe.train
    folder = tokenizer_folder(recipe.model.base, recipe.model.revision)
    connection.execute(
        "INSERT INTO trainer VALUES ($1, $2, $3, $4, $5)",
        [
            recipe.model.base,
            str(folder) if folder else None,
            train.max_seq_length,
            train.batch_size,
            train.mask,
        ],
    )
    rows = connection.execute(
        "SELECT r.example, len(r.keys) FROM rows r JOIN files f USING (file) WHERE f.split = 'train' ORDER BY r.example"
    ).fetchall()
    batches = mlx_batches([count for _, count in rows], train.batch_size)
    connection.execute(
        "INSERT INTO mlx_batches SELECT unnest($1::INTEGER[]), unnest($2::BIGINT[])",
        [
            [number for number, batch in enumerate(batches) for _ in batch],
            [rows[row][0] for batch in batches for row in batch],
        ],
    )
    if folder is None:
        return
    tokenizer = Tokenizer(folder)
    if tokenizer.has_template:
        _measure_all(connection, tokenizer, train.mask, train.max_seq_length, report)


def _measure_all(
    connection: duckdb.DuckDBPyConnection, tokenizer: Tokenizer, mask: str, limit: int, report: Report
) -> None:
    offered: dict[str, list[Any]] = {}
    for toolset, written in connection.execute(
        "SELECT toolset, written FROM offered WHERE toolset <> 'catalog' ORDER BY toolset, position"
    ).fetchall():
        offered.setdefault(toolset, []).append(json.loads(written))
    examples = connection.execute("SELECT example, toolset FROM rows ORDER BY example").fetchall()
    for start in range(0, len(examples), PAGE):
        report("tokens", start / len(examples))
        page = examples[start : start + PAGE]
        conversations = _conversations(connection, page[0][0], page[-1][0])
        tokens: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        for example, toolset in page:
            measured = measure(conversations.get(example, []), offered.get(toolset), tokenizer)
            spans, trained = trained_spans(measured, mask, limit)
            tokens.append(
                {
                    "example": example,
                    "tokens": measured.tokens,
                    "mlx_prompt": measured.prompt,
                    "trained": trained,
                    "refused": measured.refused,
                }
            )
            calls += [
                {
                    "example": example,
                    "message": span.message,
                    "first": span.call,
                    "last": span.end,
                    "trained": is_trained,
                    "mlx_trained": span is measured.spans[-1],
                }
                for span, is_trained in spans
                if span.call >= 0
            ]
        insert(
            connection,
            "tokens",
            '{"example":"BIGINT","tokens":"INTEGER","mlx_prompt":"INTEGER","trained":"INTEGER","refused":"VARCHAR"}',
            tokens,
        )
        insert(
            connection,
            "token_calls",
            '{"example":"BIGINT","message":"INTEGER","first":"INTEGER","last":"INTEGER","trained":"BOOLEAN",'
            '"mlx_trained":"BOOLEAN"}',
            calls,
        )


def _conversations(
    connection: duckdb.DuckDBPyConnection, first: int, last: int
) -> dict[int, list[dict[str, Any]]]:
    """Messages of a range of examples as a chat template takes them."""
    found: dict[int, list[dict[str, Any]]] = {}
    for example, role, content, name in connection.execute(
        "SELECT example, written_role, content, name FROM messages WHERE example BETWEEN $1 AND $2 "
        "ORDER BY example, position",
        [first, last],
    ).fetchall():
        message = {"role": role, "content": content} | ({"name": name} if name else {})
        found.setdefault(example, []).append(message)
    for example, message, tool, arguments in connection.execute(
        "SELECT example, message, tool, arguments FROM calls WHERE syntax = 'openai' AND example BETWEEN $1 AND $2 "
        "ORDER BY example, message, position",
        [first, last],
    ).fetchall():
        call = {"type": "function", "function": {"name": tool, "arguments": json.loads(arguments)}}
        found[example][message - 1].setdefault("tool_calls", []).append(call)
    return found
