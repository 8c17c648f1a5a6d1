"""A commented recipe for a dataset and a model: every choice with its reason. Pure: facts in, TOML out."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EPOCHS = ((2_000, 3), (20_000, 2))  # rows up to which so many passes are made; above, one
MULTIPLE = 64  # tokens that max_seq_length is rounded up to
OUTLIER = 1.5  # a longest row beyond this many times the 99th percentile does not set the limit
SMALL = 500_000_000  # parameters below which every layer is trained, and faster
VALID = 0.1
BATCHES = (8, 4, 2, 1)
LINE = 120  # characters of a line with its comment


@dataclass(frozen=True)
class DataFacts:
    """What was seen in the data. Lengths are in tokens, ascending, one a row that can be trained."""

    path: str
    rows: int  # of the train split
    valid: int  # of the valid split; 0: one is cut off
    lengths: Sequence[int]
    exact: bool  # counted with the model's own tokenizer; otherwise estimated from the text
    longest_answer: int  # tokens, of 99 % of the answers
    rows_with_calls: int
    dialect: str  # how most calls are written; empty without calls

    def __post_init__(self) -> None:
        if not self.lengths:
            raise ValueError("a recipe needs at least one row")


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the base model; None where nothing is."""

    base: str
    revision: str = ""  # empty: in the recipe's lock, where the base is on a hub
    parameters: int | None = None
    context: int | None = None  # tokens
    cpu: bool = False  # it will be trained on a CPU


@dataclass(frozen=True)
class Choice:
    """A value and the reason for it."""

    value: int | float
    why: str


def choose_length(data: DataFacts, model: ModelFacts) -> Choice:
    """`max_seq_length`: the longest row, unless it is an outlier or longer than the model's context."""
    longest = data.lengths[-1]
    common = data.lengths[max(0, math.ceil(0.99 * len(data.lengths)) - 1)]
    limit = common if longest > OUTLIER * common else longest
    if not data.exact:
        limit = math.ceil(1.2 * limit)
    wanted = MULTIPLE * math.ceil(max(limit, 8) / MULTIPLE)
    if model.context and wanted > model.context:
        wanted = model.context
    dropped = sum(length > wanted for length in data.lengths)
    counted = (
        "in the model's tokens" if data.exact else "estimated: the model's tokenizer is not on this machine"
    )
    why = f"the longest row has {longest:,} tokens, 99 % have at most {common:,} ({counted})"
    if dropped:
        why += f"; {dropped:,} of {len(data.lengths):,} rows are longer and left out"
    return Choice(wanted, why)


def choose_batch(data: DataFacts, length: int, fits: Callable[[int, int], bool] | None) -> Choice:
    """`batch_size`: the largest that the host's memory holds, and at least 20 steps an epoch where the rows allow it."""
    useful = [size for size in BATCHES if size == 1 or len(data.lengths) >= 20 * size]
    if fits is None:
        size = min(4, useful[0])
        return Choice(size, "the host was not asked; `--host NAME` fits it to its memory")
    for size in useful:
        if fits(size, length):
            return Choice(size, f"{size} rows of {length:,} tokens fit into the host's memory")
    return Choice(1, "even one row of full length may not fit into the host's memory: see ./inv plan")


def choose_answer(data: DataFacts, length: int) -> Choice:
    """`max_tokens`: half more than the longest answer, and never more than a row may have."""
    wanted = MULTIPLE * max(2, math.ceil(1.5 * data.longest_answer / MULTIPLE))
    return Choice(
        min(wanted, max(length, 2 * MULTIPLE)),
        f"99 % of the answers in the data have at most about {data.longest_answer:,} tokens",
    )


def choose_steps(data: DataFacts, length: int, batch: int) -> Choice:
    """`steps`: whole passes over the rows that are not too long."""
    rows = sum(row <= length for row in data.lengths)
    epochs = next((passes for most, passes in EPOCHS if rows <= most), 1)
    return Choice(
        max(1, math.ceil(rows * epochs / batch)), f"{epochs} passes over {rows:,} rows, {batch} a step"
    )


def recipe_text(
    name: str,
    data: DataFacts,
    model: ModelFacts,
    fits: Callable[[int, int], bool] | None = None,
) -> str:
    """The recipe's TOML. `fits(batch_size, tokens)` says whether training fits into the host's memory."""
    length = choose_length(data, model)
    batch = choose_batch(data, int(length.value), fits)
    steps = choose_steps(data, int(length.value), int(batch.value))
    small = model.parameters is not None and model.parameters < SMALL
    every = max(1, int(steps.value) // 6)
    answer = choose_answer(data, int(length.value))
    split = (
        f"{data.valid:,} rows of its own valid split judge the model"
        if data.valid
        else f"it has no validation split: {VALID:.0%} are held out, whole clusters at a time"
    )
    rate = (
        Choice(1e-3, "a model under half a billion parameters takes a high rate")
        if small
        else Choice(1e-4, "as the shipped recipe for 30 billion parameters; lower it when the loss jumps")
    )
    lines = [
        f"# {name}: made by `./inv recipe.new`. Change what you like; `./inv plan --recipe {name}` says what it costs.",
        "schema = 1",
        f"name = {_quoted(name)}",
        "seed = 1",
        "",
        "[model]",
        f"base = {_quoted(model.base)}",
        *(
            [f"revision = {_quoted(model.revision)}  # the exact files, whatever the repository becomes"]
            if model.revision
            else []
        ),
        'dtype = "float32"        # on a CPU half precision is slower, not faster'
        if model.cpu
        else 'dtype = "bfloat16"',
        "",
        "[data]",
        f"path = {_quoted(data.path)}",
        f"valid = {VALID}              # {split}",
        *(
            [
                f"syntax = {_quoted(data.dialect)}  # how calls are written where the model's template has no place for them"
            ]
            if data.dialect
            else []
        ),
        "",
        "[train]",
        *_lines("steps", steps),
        *_lines("batch_size", batch),
        *_lines("learning_rate", rate),
        f"warmup = {max(1, min(20, int(steps.value) // 10))}",
        *_lines("max_seq_length", length),
        "rank = 8",
        "scale = 20.0",
        "layers = -1              # all: the model is small"
        if small
        else "layers = 8               # from the top",
        'mask = "assistant"       # every answer is trained, no request and no tool result; row weights are obeyed',
        f"checkpoint_every = {every}",
        f"validate_every = {every}",
        "",
        "[quantize]",
        "bits = 5                 # 4 bits lose small updates; ./inv train measures what quantizing costs",
        "group_size = 64",
        "",
        "[predict]",
        'models = ["base", "quantized"]',
        *_lines("max_tokens", answer),
        "",
        "# The held-out rows as cases: what came before an answer is asked, the row's own answer is right.",
        "[[suites]]",
        'from = "valid"',
        "",
        *_gates(data),
    ]
    return "\n".join(lines) + "\n"


def _gates(data: DataFacts) -> list[str]:
    fidelity = [
        "[[gates]]",
        'metric = "fidelity"',
        "target = 0.95            # of next tokens alike before and after quantizing",
    ]
    if not data.rows_with_calls:
        return [
            "# No row calls a tool: answers in words are not judged right or wrong, so only damage by quantizing is gated.",
            *fidelity,
        ]
    return [
        "# It must beat its own base on the same cases; give targets (overall, tool_choice, arguments) when you know them.",
        "[[gates]]",
        'metric = "beats_base"',
        'suite = "valid"',
        "target = 0.01            # p of the exact paired test",
        "",
        *fidelity,
    ]


def _lines(key: str, choice: Choice) -> list[str]:
    """The key with its reason after it, or above it where that would be a long line."""
    line = f"{key} = {choice.value:g}" if isinstance(choice.value, float) else f"{key} = {choice.value}"
    short = f"{line:<24} # {choice.why}"
    return [short] if len(short) <= LINE else [f"# {choice.why}", line]


def _quoted(text: str) -> str:
    # TOML's basic strings are JSON's, but for the delete character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
