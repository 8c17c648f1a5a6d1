"""What a trainer would really do with the rows: their length in the recipe's tokens, the loss on each call, batches.

Two trainers are followed: ours, whose own code prepares, renders and masks the rows, and mlx-lm's (0.32.2, read in its
source), which cuts the tail, takes consecutive rows with equally many keys for a batch, leaves the last `n % batch_size`
rows out, and with `--mask-prompt` trains the last answer only.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import duckdb

from tunewright.audit.database import insert
from tunewright.audit.ingest import Report
from tunewright.audit.prefixes import other_prefixes
from tunewright.audit.tokenizer import Tokenizer, call_writer
from tunewright.chat.calls import CallSyntaxError, find
from tunewright.chat.prepare import Untrainable, prepare, with_tools_of_prompt
from tunewright.chat.tools import openai_tools
from tunewright.contract.base_tokenizer import tokenizer_folder
from tunewright.contract.chat_template import TemplateRefusal
from tunewright.contract.encoding import Encoder
from tunewright.contract.example import Example
from tunewright.contract.loss_mask import Mask
from tunewright.contract.template_support import WriteCalls, place_in_text

if TYPE_CHECKING:
    from tunewright.contract.recipe import Recipe

PAGE = 2000  # examples in memory at a time


@dataclass(frozen=True)
class Span:
    """An assistant message in a rendered conversation, in tokens: [start, end), its call from `call` on (or -1)."""

    message: int
    start: int
    end: int
    call: int = -1


@dataclass(frozen=True)
class Trained:
    """What our trainer makes of an example: its longest row, its tokens with loss, and those of each answer in turn."""

    longest: int = 0
    tokens: int = 0
    answers: tuple[int, ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class Measured:
    """One example in mlx-lm's tokens. `prompt` is where its `--mask-prompt` begins to train."""

    tokens: int
    prompt: int
    spans: tuple[Span, ...]
    refused: str = ""


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
    # Templates trim what is said, and some rewrite what comes before the call.
    at = whole.find(content.strip(), start, end)
    if at >= 0:
        return at + first.start - (len(content) - len(content.lstrip()))
    return whole.find(content[first.start : first.end].strip(), start, end)


def _places(offsets: list[tuple[int, int]]) -> Callable[[int], int]:
    from bisect import bisect_left

    starts = [start for start, _ in offsets]
    return lambda character: bisect_left(starts, character)


def train_as_ours(example: Example, encoder: Encoder, write: WriteCalls, mask: Mask, limit: int) -> Trained:
    """Prepare, render and mask a row as a run does. Rows above `limit` tokens train nothing."""
    try:
        prepared = prepare(example).example
        # Calls of one turn stay one message here, as in the row; rendering takes them apart and keeps its number.
        placed = place_in_text(prepared, replace(encoder.support, parallel_calls=True), write)
        rows = encoder.rows(placed, mask)
    except Untrainable:
        return Trained()
    except (TemplateRefusal, CallSyntaxError) as error:
        return Trained(refused=str(error)[:200])
    kept = [row for row in rows if len(row) <= limit]
    by_message = Counter[int]()
    for message, tokens in (answer for row in kept for answer in row.answers):
        by_message[message] += tokens
    answers = tuple(by_message[n] for n, message in enumerate(placed.messages) if message.role == "assistant")
    return Trained(max(map(len, rows)), sum(row.trainable for row in kept), answers)


def mlx_batches(keys: Sequence[int], batch_size: int) -> list[list[int]]:
    """Row numbers of each batch of mlx-lm: rows in file order, sorted by number of keys, the remainder left out."""
    order = sorted(range(len(keys)), key=lambda row: keys[row])
    return [order[i : i + batch_size] for i in range(0, len(order) - batch_size + 1, batch_size)]


def simulate(connection: duckdb.DuckDBPyConnection, recipe: "Recipe", report: Report) -> None:
    """Fill the tables that checks/trainer_*.sql ask; they stay empty without a recipe."""
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
        _measure_all(connection, tokenizer, recipe, report)


def _measure_all(
    connection: duckdb.DuckDBPyConnection, tokenizer: Tokenizer, recipe: "Recipe", report: Report
) -> None:
    train, write = recipe.train, call_writer(recipe.data.syntax)
    programs = connection.execute("SELECT 1 FROM calls WHERE syntax = 'code_mode' LIMIT 1").fetchone()
    offered: dict[str, list[Any]] = {}
    for toolset, written in connection.execute(
        "SELECT toolset, written FROM offered WHERE toolset <> 'catalog' ORDER BY toolset, position"
    ).fetchall():
        offered.setdefault(toolset, []).append(json.loads(written))
    # A prompt that lists tools is the prompt already; only a list of the row's own goes to the template.
    examples = connection.execute(
        "SELECT example, if(toolset IN (SELECT toolset FROM bare_prompts), NULL, toolset) FROM rows "
        "ORDER BY example"
    ).fetchall()
    for start in range(0, len(examples), PAGE):
        report("tokens", start / len(examples))
        page = examples[start : start + PAGE]
        conversations = _conversations(connection, page[0][0], page[-1][0])
        tokens: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        prefixes: list[dict[str, Any]] = []
        for example, toolset in page:
            (as_written, normal, as_text), tools = (
                conversations.get(example, ([], [], {})),
                offered.get(toolset),
            )
            measured = measure(as_written, tools, tokenizer)
            row = Example.model_validate({"messages": normal, "tools": openai_tools(tools)})
            row = row if programs else with_tools_of_prompt(row)
            prefixes += [
                {"example": example, **vars(found)}
                for found in other_prefixes(normal, tools, as_text, tokenizer)
            ]
            trained = train_as_ours(row, tokenizer.encoder, write, train.mask, train.max_seq_length)
            tokens.append(
                {
                    "example": example,
                    "tokens": trained.longest or measured.tokens,
                    "mlx_prompt": measured.prompt,
                    "trained": trained.tokens,
                    "refused": trained.refused,
                }
            )
            calls += [
                {
                    "example": example,
                    "message": span.message,
                    "first": span.call,
                    "last": span.end,
                    "trained": tokens_of > 0,
                    "mlx_trained": span is measured.spans[-1],
                }
                for span, tokens_of in zip(measured.spans, trained.answers or repeat(0))
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

        insert(
            connection,
            "prefixes",
            '{"example":"BIGINT","message":"INTEGER","trained":"VARCHAR","served":"VARCHAR"}',
            prefixes,
        )


Conversations = dict[int, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[int, dict[int, str]]]]


def _conversations(connection: duckdb.DuckDBPyConnection, first: int, last: int) -> Conversations:
    """Messages of a range of examples, as the rows write them for a chat template, and in the normal form; and the arguments
    that are written as text, by message and call."""
    found: Conversations = {}
    for example, written, role, content, name, call_id, weight in connection.execute(
        "SELECT example, written_role, role, content, name, tool_call_id, weight FROM messages "
        "WHERE example BETWEEN $1 AND $2 ORDER BY example, position",
        [first, last],
    ).fetchall():
        named = {"name": name} if name else {}
        as_written, normal, _ = found.setdefault(example, ([], [], {}))
        as_written.append({"role": written, "content": content, **named})
        weighted = {} if weight is None else {"weight": min(max(weight, 0.0), 1.0)}
        normal.append({"role": role, "content": content, "tool_call_id": call_id or "", **named, **weighted})
    for example, message, tool, text, call_id, written in connection.execute(
        "SELECT example, message, tool, arguments, tool_call_id, written FROM calls "
        "WHERE syntax = 'openai' AND example BETWEEN $1 AND $2 ORDER BY example, message, position",
        [first, last],
    ).fetchall():
        arguments = json.loads(text)
        call = {"type": "function", "function": {"name": tool, "arguments": arguments}}
        as_written, normal, as_text = found[example]
        as_written[message - 1].setdefault("tool_calls", []).append(call)
        if tool and isinstance(arguments, dict):
            calls = normal[message - 1].setdefault("tool_calls", [])
            if written == "text":
                as_text.setdefault(message, {})[len(calls)] = text
            calls.append({**call, "id": call_id or ""})
    return found
