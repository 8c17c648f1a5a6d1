"""A prepared dataset and its suites put into the form that the base model's chat template renders, and counted."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.pipeline import WORK
from tunewright.contract.console import Progress, say
from tunewright.contract.stage_code import StageCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunewright.chat.training_set import Fit
    from tunewright.contract.encoding import EncodedSplit, Encoder
    from tunewright.contract.example import Example
    from tunewright.contract.manifest import DatasetManifest
    from tunewright.contract.recipe import Data, Recipe
    from tunewright.contract.suite import Case
    from tunewright.contract.template_support import TemplateSupport, WriteCalls

FITTING = StageCode("fit", 1, ("jinja2", "tokenizers"))


@dataclass(frozen=True)
class BaseTemplate:
    """What this machine knows about the base's template; `encoder` where its tokenizer is here, with a hash of it."""

    support: "TemplateSupport"
    encoder: "Encoder | None" = None
    tokenizer: str = ""


def base_template(recipe: "Recipe") -> BaseTemplate | None:
    """The template of a recipe's base model; None when nothing of it is on this machine."""
    from tunewright.cli.embedded_model import tiny_model
    from tunewright.contract.base_tokenizer import tokenizer_folder
    from tunewright.contract.embedded import packaged_model

    folder = tokenizer_folder(recipe.model.base, recipe.model.revision)
    if folder is None and recipe.model.base == "embedded:tiny":
        folder = tiny_model()
    if folder is not None and (found := folder_template(folder)):
        return found
    packaged = packaged_model(recipe.model.base)
    return BaseTemplate(packaged.template) if packaged else None


def folder_template(folder: Path) -> BaseTemplate | None:
    """The template in a model's folder; None when it has none. Raises UserError for files that cannot be read."""
    from tunewright.audit.tokenizer import Tokenizer
    from tunewright.contract.atomic import sha256_file, sha256_json
    from tunewright.contract.base_tokenizer import chat_template

    if not (folder / "tokenizer.json").is_file() or not (tokenizer := Tokenizer(folder)).has_template:
        return None
    identity = sha256_json([sha256_file(folder / "tokenizer.json"), chat_template(folder)])
    return BaseTemplate(tokenizer.encoder.support, tokenizer.encoder, identity)


def row_fit(recipe: "Recipe", base: BaseTemplate | None) -> "Fit | None":
    """What says of a row whether the base's template renders it, and its tokens; None where nothing of the base is here."""
    from tunewright.audit.tokenizer import call_writer
    from tunewright.chat.calls import CallSyntaxError
    from tunewright.chat.prepare import Untrainable
    from tunewright.contract.chat_template import TemplateRefusal
    from tunewright.contract.template_support import place_in_text

    if base is None:
        return None
    write = call_writer(recipe.data.syntax)

    def fit(example: "Example") -> int:
        try:
            placed = place_in_text(example, base.support, write)
            if base.encoder is None:
                return 0
            return max(map(len, base.encoder.rows(placed, recipe.train.mask)))
        except CallSyntaxError as error:
            raise Untrainable(f"a call cannot be written as {recipe.data.syntax}", str(error)) from error
        except TemplateRefusal as error:
            raise Untrainable("the base's chat template refuses it", str(error)) from error

    return fit


def fit_identity(recipe: "Recipe", base: BaseTemplate | None) -> str:
    """A hash of everything that `row_fit` depends on."""
    from tunewright.contract.atomic import sha256_json

    if base is None:
        return ""
    return sha256_json([asdict(base.support), base.tokenizer, recipe.data.syntax, recipe.train.mask])


def fit_dataset(recipe: "Recipe", folder: Path, made: "DatasetManifest", base: BaseTemplate) -> Path:
    """The dataset with what the template would drop as text, and its trained tokens by tool in `dataset.json`.

    Raises UserError for a row that cannot be written or rendered, and for a tool whose calls train no token.
    """
    from tunewright.audit.tokenizer import call_writer
    from tunewright.chat.dataset_folder import finished_dataset, write_dataset
    from tunewright.contract.atomic import sha256_file
    from tunewright.contract.encoding import check_tools_trained, tool_tokens_text
    from tunewright.contract.example import read_examples, read_jsonl
    from tunewright.contract.manifest import DatasetManifest as Manifest

    key = FITTING.key(
        {
            "dataset": made.facts["key"],
            "splits": {name: entry.sha256 for name, entry in made.splits.items()},
            "support": asdict(base.support),
            "syntax": recipe.data.syntax,
            "tokenizer": base.tokenizer,
            "train": [recipe.train.mask, recipe.train.max_seq_length],
        }
    )
    out = WORK / "fitted" / key[:16]
    fitted: Manifest | None = finished_dataset(out, key)
    if fitted is None:
        write = call_writer(recipe.data.syntax)
        rows: dict[str, list[Example]] = {}
        changed = several = left = 0
        for split, entry in made.splits.items():
            path = folder / entry.file
            examples = read_examples(path)
            rows[split] = [_fit(row, base, write, f"{path}:{n}") for n, row in enumerate(examples, start=1)]
            if base.support.one_call:
                several += sum(any(len(m.tool_calls) > 1 for m in row.messages) for row in examples)
                before, after = _calls(examples), _calls(rows[split])
                left += before.total() - after.total()
                if split == "train":
                    _check_tools_left(before, after, path)
            else:
                changed += sum(new.messages != old.messages for new, old in zip(rows[split], examples))
        origin = str(folder / "train.jsonl")
        if counted := _encode(recipe, rows["train"], base, origin):
            check_tools_trained(counted, origin)
        dropped = folder / "dropped.jsonl"
        fitted = write_dataset(
            out,
            {split: [row.row() for row in examples] for split, examples in rows.items()},
            seed=made.seed,
            lineage={"prepared": sha256_file(folder / "dataset.json")},
            facts={
                **made.facts,
                "key": key,
                "calls_as": recipe.data.syntax if changed else "",
                "fitted": changed,
                "one_call_a_turn": several,
                "calls_left_out": left,
                "tool_tokens": counted.tool_tokens if counted else {},
            },
            extra={"dropped.jsonl": [row for _, row in read_jsonl(dropped)]} if dropped.is_file() else None,
        )
    if written := fitted.facts["calls_as"]:
        say(
            f"prepare   the base's chat template has no place for tools or calls: {fitted.facts['fitted']:,} rows have them "
            f"as text ({written})"
        )
    if several := fitted.facts["one_call_a_turn"]:
        left = fitted.facts["calls_left_out"]
        say(
            f"prepare   the base's chat template takes one call a turn: {several:,} rows with several have them one after "
            f"another, each behind the result before it; {left:,} calls are left out, as no result comes before them"
        )
    if tokens := fitted.facts["tool_tokens"]:
        say(f"prepare   trained tokens by tool: {tool_tokens_text(tokens)}")
    return out


def _calls(examples: "Sequence[Example]") -> "Counter[str]":
    """How often each tool is called as data."""
    return Counter(
        call.function.name for row in examples for message in row.messages for call in message.tool_calls
    )


def _check_tools_left(before: "Counter[str]", after: "Counter[str]", path: Path) -> None:
    from tunewright.contract.errors import UserError

    if lost := sorted(before.keys() - after.keys()):
        raise UserError(
            f"{path}: no call of {', '.join(lost[:5])} can be trained: the base's chat template takes one call a turn, and "
            "these come second in their turn, without a result before them",
            "Give the rows the calls' results, or one call a turn, or take a base whose template takes several.",
        )


def fit_suite(path: Path, folder: Path, base: BaseTemplate | None, data: "Data") -> Path:
    """The suite as `train` and `validate` ask it: system messages list the tools where those of the data do, prompts hold
    as text what the template would drop, and of several calls any one is right where the model writes one a turn. Without
    a template (a server has it, or nobody knows it) only the tools are listed. The file itself where nothing changes;
    otherwise a file in `folder`.

    Raises UserError, with file and line, for a case that the template refuses.
    """
    from tunewright.audit.tokenizer import call_writer
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.catalog import recipe_catalog
    from tunewright.contract.example import read_jsonl
    from tunewright.contract.suite import read_suite, told
    from tunewright.eval.held_out import case_row, one_call_steps

    suite, write = read_suite(path), call_writer(data.syntax)
    cases = list(suite.cases)
    if data.listed:
        cases = [told(case, recipe_catalog(data).system_list().strip()) for case in cases]
    if base and base.support.one_call:
        cases = [one_call_steps(case)[0] for case in cases]
        if several := sum(new.gold != old.gold for new, old in zip(cases, suite.cases)):
            say(
                f"suite     {suite.name}: the base's chat template takes one call a turn, so in {several:,} cases that ask "
                "for several any one of them is right"
            )
    if base:
        lines = [line for line, _ in read_jsonl(path)]
        cases = [_placed_case(case, base, write, f"{path}:{line}") for case, line in zip(cases, lines)]
    if tuple(cases) == suite.cases:
        return path
    out = folder / "suites" / path.name
    write_jsonl(out, (case_row(case) for case in cases))
    return out


def _placed_case(case: "Case", base: BaseTemplate, write: "WriteCalls", where: str) -> "Case":
    from tunewright.contract.chat_template import TemplateRefusal
    from tunewright.contract.errors import UserError
    from tunewright.contract.example import Example

    placed = _place(Example(messages=case.messages, tools=case.tools), base, write, where)
    if base.encoder:
        try:
            base.encoder.prompt_pieces(placed.messages, placed.tools)
        except TemplateRefusal as error:
            raise UserError(
                f"{where}: case {case.id}: the base's chat template refuses it ({error})",
                "Check the order of roles in this case, or take another base.",
            ) from error
    return case.model_copy(update={"messages": placed.messages})


def _fit(example: "Example", base: BaseTemplate, write: "WriteCalls", where: str) -> "Example":
    """An example as the template renders it; calls that were text already are named, so that their tokens are counted."""
    from tunewright.chat.calls import find
    from tunewright.contract.encoding import called_tools

    placed = _place(example, base, write, where)
    if called_tools(placed):
        return placed
    calls = [
        (number, call.name)
        for number, message in enumerate(placed.messages)
        if message.role == "assistant"
        for call in find(message.content).calls
        if call.name
    ]
    return placed.model_copy(update={"meta": placed.meta.model_copy(update={"calls": tuple(calls)})})


def _place(example: "Example", base: BaseTemplate, write: "WriteCalls", where: str) -> "Example":
    from tunewright.chat.calls import CallSyntaxError
    from tunewright.contract.errors import UserError
    from tunewright.contract.template_support import place_in_text

    try:
        return place_in_text(example, base.support, write)
    except CallSyntaxError as error:
        raise UserError(
            f"{where}: a call cannot be written as text ({error})",
            "The base's chat template has no place for calls: choose another data.syntax, or another base.",
        ) from error


def encode_fitted(
    recipe: "Recipe", examples: "Sequence[Example]", base: BaseTemplate
) -> "EncodedSplit | None":
    """Training rows as a run would have them, in tokens, without those that it would leave out; None without the base's
    tokenizer. Raises UserError when no row is left."""
    from tunewright.audit.tokenizer import call_writer
    from tunewright.chat.prepare import Untrainable

    fit = row_fit(recipe, base)
    if base.encoder is None or not examples or fit is None:
        return None
    write = call_writer(recipe.data.syntax)
    rows: list[Example] = []
    for number, row in enumerate(examples, start=1):
        try:
            fit(row)
        except Untrainable:
            continue
        rows.append(_fit(row, base, write, f"row {number}"))
    return _encode(recipe, rows, base, "rows to train on")


def _encode(
    recipe: "Recipe", rows: "list[Example]", base: BaseTemplate, origin: str
) -> "EncodedSplit | None":
    """The training rows in the base's tokens; None without its tokenizer. Raises UserError."""
    from tunewright.contract.encoding import encode_all

    if base.encoder is None:
        return None
    show = Progress("prepare")
    done = iter(range(len(rows)))
    return encode_all(
        base.encoder,
        rows,
        mask=recipe.train.mask,
        max_length=recipe.train.max_seq_length,
        origin=origin,
        tick=lambda: show("rows in tokens:", next(done), len(rows)),
    )
