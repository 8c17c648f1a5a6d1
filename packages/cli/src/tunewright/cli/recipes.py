"""The task that writes a recipe for somebody's dataset and model."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from tunewright.cli.invoke_program import ROOT, command, need
from tunewright.contract.console import Progress, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunewright.chat.training_set import TrainingSet
    from tunewright.cli.new_recipe import DataFacts, ModelFacts
    from tunewright.cli.template_fit import BaseTemplate
    from tunewright.contract.example import Example
    from tunewright.contract.recipe import Recipe

BYTES_PER_TOKEN = (
    3.0  # a tokenizer of 150,000 words makes about 3.4 of English and code; fewer is on the safe side
)
CHAT_OVERHEAD = 8  # tokens around each message
_NOT_A_NAME = re.compile(r"[^a-z0-9._-]+")
LONGEST_NAME = 64
AS_TEXT = "hermes_json"


@command(
    task_name="new",
    data="your dataset: a file, a folder with splits, or a glob, in any form that `audit` reads",
    model="the base model: embedded:NAME, a folder on the host, or a hub repository",
    revision="the commit of a hub repository, 40 hex digits (default: the one in this machine's cache, else the hub's "
    "present one, kept in a lock next to the recipe)",
    host="fit the batch to this host's memory",
    out="the recipe's file (default: recipes/NAME.toml, NAME from the dataset)",
)
def new(
    c: Context, data: str = "", model: str = "", revision: str = "", host: str = "", out: str = ""
) -> None:
    """Write a commented recipe for a dataset and a model."""
    from tunewright.chat.training_set import read_training_set
    from tunewright.cli.base_files import find_template
    from tunewright.cli.base_model import lock_base
    from tunewright.cli.new_recipe import recipe_text
    from tunewright.contract.atomic import check_place, write_text
    from tunewright.contract.base_lock import lock_path
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import parse_recipe, with_revision
    from tunewright.contract.visible import one_line

    need(data=data, model=model)
    name = recipe_name(Path(out) if out else Path(data))
    path = Path(out) if out else ROOT / "recipes" / f"{name}.toml"
    if path.suffix != ".toml":
        raise UserError(f"{path} is not a .toml file", "Recipes are found by that ending: --out NAME.toml")
    if path.exists():
        raise UserError(f"{path} exists already", "Give another --out; a recipe is never replaced.")
    check_place(path)
    check_model(model)
    revision = revision or cached_revision(model) or ""
    _draft(model, revision, "")  # what is wrong with the model is said before the data are read
    rows = read_training_set(Path(data), Progress("read"))
    draft = _draft(model, revision, _dialect(rows))
    if not draft.model.pinned:
        draft = with_revision(draft, lock_base(model, lock_path(path)).revision)
    base = find_template(draft, host or "local")
    lengths, answer, exact = token_lengths(draft, base, rows, Path(data))
    facts = _data_facts(data, rows, lengths, answer, exact)
    seen, fits = _model_facts(draft, host)
    text = recipe_text(name, facts, replace(seen, revision=revision), fits)
    parse_recipe(text, str(path))
    write_text(path, text)
    say(
        f"data      {rows.read:,} rows read, {len(lengths):,} to train on, {len(rows.rows.get('valid', ()))} held out"
    )
    for reason, count in rows.reasons.items():
        say(f"          {count:,} left out: {reason} (the first: {one_line(rows.first_places[reason])})")
    if not facts.rows_with_calls:
        say(
            "note      no row calls a tool: answers in words are not judged; only format and fidelity are gated"
        )
    print(path)
    say(f"next      ./inv plan --recipe {_called(path, name)}{f' --host {host}' if host else ''}")
    say(f"          ./inv train --recipe {_called(path, name)}{f' --host {host}' if host else ''}")


def recipe_name(path: Path) -> str:
    """A recipe's name for a dataset: the file's name without endings, or the folder's."""
    stem = path.name.partition(".")[0] or path.resolve().name
    if stem in ("train", "data") and path.resolve().parent.name:
        stem = path.resolve().parent.name
    return _NOT_A_NAME.sub("-", stem.lower()).strip("-._")[:LONGEST_NAME] or "mine"


def _called(path: Path, name: str) -> str:
    return name if path == ROOT / "recipes" / f"{name}.toml" else str(path)


def cached_revision(model: str) -> str | None:
    """The commit of a hub repository that this machine's cache has as its main one; None without one."""
    from tunewright.contract.base_tokenizer import hub_cache

    if model.startswith(("embedded:", "/", "~", ".")):
        return None
    try:
        found = (hub_cache(model) / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return found if re.fullmatch(r"[0-9a-f]{40}", found) else None


def token_lengths(
    draft: "Recipe", base: "BaseTemplate | None", made: "TrainingSet", data: Path
) -> tuple[list[int], int, bool]:
    """Tokens of each row to train on as a run of `draft` renders it, ascending; what 99 % of the answers have; whether the
    base's own tokenizer counted them. Rows that the base's template cannot render leave `made`.

    Raises UserError when none is left.
    """
    from tunewright.chat.training_set import drop_unfit, nothing_left
    from tunewright.cli.template_fit import row_fit

    if fit := row_fit(draft, base):
        show, total = Progress("tokens"), sum(map(len, made.rows.values()))
        done = iter(range(total))

        def shown(example: "Example") -> int:
            show("rows:", next(done), total)
            return fit(example)

        counted = drop_unfit(made, 0, shown)["train"]
        if not counted:
            raise nothing_left(made, data)
    else:
        counted = [0] * len(made.rows["train"])
    encoder = base.encoder if base else None
    lengths: list[int] = []
    said: list[int] = []
    for row, tokens in zip(made.rows["train"], counted):
        value = row.row()
        lengths.append(tokens or _estimate(json.dumps(value, ensure_ascii=False), len(row.messages)))
        answers = [_text(message) for message in value["messages"] if message["role"] == "assistant"]
        said += [encoder.count(text) if encoder else _estimate(text, 1) for text in answers]
    common = sorted(said)[max(0, math.ceil(0.99 * len(said)) - 1)]
    return sorted(lengths), common, encoder is not None


def _text(message: dict[str, Any]) -> str:
    calls = "".join(
        json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls", ())
    )
    return message.get("reasoning_content", "") + message["content"] + calls


def _estimate(text: str, messages: int) -> int:
    return int(len(text.encode()) / BYTES_PER_TOKEN) + CHAT_OVERHEAD * messages


def _dialect(rows: "TrainingSet") -> str:
    """How calls are written where the template has no place for them: as in the data, or as JSON where they are data."""
    from typing import get_args

    from tunewright.contract.recipe import Data

    known = get_args(Data.model_fields["syntax"].annotation)
    written = next((name for name, _ in rows.dialects.most_common() if name in known), "")
    return AS_TEXT if written == "openai" else written


def _data_facts(data: str, rows: "TrainingSet", lengths: list[int], answer: int, exact: bool) -> "DataFacts":
    from tunewright.cli.new_recipe import DataFacts

    train = rows.rows["train"]
    path = Path(data)
    inside = path.resolve().is_relative_to(ROOT)
    return DataFacts(
        path=str(path.resolve().relative_to(ROOT) if inside else path.resolve()),
        rows=len(train),
        valid=len(rows.rows.get("valid", ())),
        lengths=lengths,
        exact=exact,
        longest_answer=answer,
        rows_with_calls=sum(any(m.tool_calls for m in row.messages) for row in train)
        or rows.dialects["code_mode"],
        dialect=_dialect(rows),
    )


def check_model(model: str) -> None:
    """Raises UserError for a packaged model that does not exist."""
    from tunewright.contract.embedded import GGUF, NAMES, PREFIX
    from tunewright.contract.errors import UserError

    name = model.removeprefix(PREFIX)
    if model.startswith(PREFIX) and not name.startswith(GGUF) and name not in NAMES:
        raise UserError(
            f"{model}: no such model is packaged",
            f"There are: {', '.join(PREFIX + known for known in NAMES)}, and {PREFIX}{GGUF}PATH.",
        )


def _draft(model: str, revision: str, syntax: str, batch: int = 1, tokens: int = 64) -> "Recipe":
    from pydantic import ValidationError

    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import Recipe

    try:
        return Recipe.model_validate(
            {
                "name": "draft",
                "model": {"base": model, "revision": revision or None},
                "data": {"syntax": syntax} if syntax else {},
                "train": {"batch_size": batch, "max_seq_length": tokens},
            }
        )
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(
            f"--model {model}: {reason}", "A hub repository is OWNER/NAME; --revision is a commit of it."
        ) from error


def _model_facts(draft: "Recipe", host: str) -> "tuple[ModelFacts, Callable[[int, int], bool] | None]":
    """What the model's config says, and whether a batch fits into the host's memory where one is named."""
    from tunewright.cli.new_recipe import ModelFacts
    from tunewright.cli.plan_model import Unknown, count, find_config
    from tunewright.cli.planning import memory_budget
    from tunewright.contract.errors import UserError
    from tunewright.remote.host import open_host
    from tunewright.remote.host_facts import probe_host

    model, revision = draft.model.base, draft.model.revision or ""

    with open_host(host or "local", ROOT) as machine:
        facts = probe_host(machine)
        cpu = facts.system != "Darwin" and model.startswith("embedded:")
        budget, _ = memory_budget(facts)
        try:
            config = find_config(draft, machine, facts).config
            parameters = count(draft, config, 64, 1.0).parameters
        except (Unknown, UserError) as error:
            if isinstance(error, UserError) and host:
                raise
            reason = error.message if isinstance(error, UserError) else error
            say(f"note      {reason}; the recipe is made without the model's config")
            return ModelFacts(model, revision, cpu=cpu), None
    context = config.get("max_position_embeddings")

    def fits(batch: int, tokens: int) -> bool:
        training = count(_draft(model, revision, draft.data.syntax, batch, tokens), config, 0, 1.0).training
        return budget is None or training.total <= budget

    known = context if isinstance(context, int) and context > 0 else None
    return ModelFacts(model, revision, parameters, known, cpu), fits if host else None


TASKS = (new,)
