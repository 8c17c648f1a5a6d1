"""The task that has the base model itself answer prompts, so that training on its answers keeps what it could say."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context

from tunewright.cli.data import DATASET, check_folder
from tunewright.cli.invoke_program import ROOT, command, need
from tunewright.cli.local_worker import Told, ask_local_worker
from tunewright.cli.pipeline import WORK
from tunewright.cli.validating import PREDICTING, fitted
from tunewright.contract.console import Progress, say
from tunewright.contract.outputs import check_outputs, is_stdout, write_result

if TYPE_CHECKING:
    from tunewright.contract.manifest import DatasetManifest
    from tunewright.contract.recipe import Model
    from tunewright.contract.suite import Case
    from tunewright.eval.endpoint_client import Endpoint
    from tunewright.eval.rehearsal_rows import Chosen
    from tunewright.eval.validation import ValidationFolder

REHEARSALS = WORK / "rehearsals"  # answers by the base that gave them
REHEARSAL = 1  # raise it when the same prompts and answers give other rows
SEED = 1
ROWS = 200
LONGEST = 512  # tokens
ANSWERS = "answers"  # what their file is called
PART = 32  # prompts whose answers are kept together, so that an interruption loses no more


@dataclass(frozen=True)
class Asked:
    """Who answers: `identity` is a hash of the model's files, or of an endpoint's address and the model's id there."""

    name: str
    identity: str
    model: "Model | None" = None
    endpoint: "Endpoint | None" = None


@command(
    data=DATASET
    + ": its direct questions that train does not hold are asked, and every prompt gets the system message "
    "and tools of one of its rows",
    out="the folder to make",
    prompts="ask these instead: a text file with a prompt a line, or JSONL with prompt or messages",
    model="the base on this machine: embedded:NAME, or a model's folder",
    endpoint="instead: an OpenAI-compatible endpoint that serves the base; a key goes into TUNEWRIGHT_API_KEY",
    name="the id of the endpoint's model",
    rows="how many prompts are asked at most",
    max_tokens="the longest answer, in tokens; one that is cut there is not used",
    json="write what was made as JSON to this file, or - for standard output",
)
def rehearse(
    c: Context,
    data: str = "",
    out: str = "",
    prompts: str = "",
    model: str = "",
    endpoint: str = "",
    name: str = "",
    rows: int = ROWS,
    max_tokens: int = LONGEST,
    json: str = "",
) -> None:
    """Have the base model answer prompts itself; training on its answers keeps what it could say."""
    from tunewright.contract.errors import UserError

    need(data=data, out=out)
    for flag, value in (("rows", rows), ("max-tokens", max_tokens)):
        if value < 1:
            raise UserError(f"--{flag} {value} leaves nothing to ask", "Give 1 or more.")
    check_folder(out, [Path(data)])
    check_outputs(json, inputs=[Path(prompts)] if prompts else [])
    asked = who_answers(model, endpoint, name)
    chosen, lineage = gather(Path(data), Path(prompts) if prompts else None, rows)
    made = rehearse_prompts(asked, chosen, lineage, Path(out), max_tokens)
    facts = made.facts["rehearsal"]
    if json:
        counts = {split: entry.examples for split, entry in made.splits.items()}
        write_result(json, {"schema": 1, "out": out, "splits": counts, **facts})
    if not is_stdout(json):
        print(made_text(Path(out), made))
        say(f"next      ./inv data.merge --data {data} --data {out} --out data/NAME")


def made_text(out: Path, made: "DatasetManifest") -> str:
    """What somebody should know of the rows before training on them."""
    from tunewright.contract.rehearsal import HELD_OUT

    facts = made.facts["rehearsal"]
    lines = [
        f"{out / entry.file}: {entry.examples:,} rows, answered by {facts['model']}"
        + (", held out: a run shows their perplexity before and after training" if split == HELD_OUT else "")
        for split, entry in made.splits.items()
    ]
    for what, counts in (("prompts left out", facts["left_out"]), ("answers rejected", facts["rejected"])):
        if counts:
            listed = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
            lines.append(f"{what}: {sum(counts.values()):,} ({listed})")
    if facts["rejected"]:
        lines.append(f"each of them: {out / 'rejected.jsonl'}")
    return "\n".join(lines)


def who_answers(model: str, endpoint: str, name: str) -> Asked:
    """The base that `--model` or `--endpoint` names. Raises UserError for none, both, and what is not there."""
    from tunewright.cli.probing import probed_base
    from tunewright.contract.atomic import sha256_json
    from tunewright.contract.embedded import PREFIX
    from tunewright.contract.errors import UserError
    from tunewright.eval.endpoint_client import make_endpoint

    if bool(model) == bool(endpoint):
        raise UserError(
            "one of --model and --endpoint is needed: who is the base?",
            "--model embedded:smollm2-135m, --model FOLDER, or --endpoint http://localhost:8080/v1 --name ID",
        )
    if endpoint:
        place = make_endpoint(endpoint, name, os.environ)
        return Asked(name, sha256_json([place.url, place.model]), endpoint=place)
    if name:
        raise UserError("--name belongs to --endpoint", "A model on this machine needs none.")
    base = probed_base(model)
    folder = not model.startswith(PREFIX)
    return Asked(Path(model).resolve().name if folder else model, identity_of(model), model=base)


def identity_of(model: str) -> str:
    """A hash of the files of a model on this machine. Raises UserError for one that is not there."""
    from tunewright.cli.embedded_model import tiny_model
    from tunewright.contract.atomic import sha256_file, sha256_json
    from tunewright.contract.base_lock import MODEL_FILES
    from tunewright.contract.embedded import GGUF, NAMES, PREFIX, packaged_model
    from tunewright.contract.errors import UserError

    if packaged := packaged_model(model):
        return packaged.sha256
    name = model.removeprefix(PREFIX)
    if model.startswith(PREFIX) and name.startswith(GGUF):
        files = [Path(name.removeprefix(GGUF)).expanduser()]
    elif model.startswith(PREFIX) and name not in NAMES:
        raise UserError(
            f"no embedded model {name!r}", f"There are: {', '.join(PREFIX + known for known in NAMES)}"
        )
    else:
        folder = tiny_model() if model.startswith(PREFIX) else Path(model)
        files = sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern)})
    if not files or not all(path.is_file() for path in files):
        raise UserError(f"--model {model}: no model is there", "Check the path: a folder with config.json.")
    return sha256_json({path.name: sha256_file(path) for path in files})


def gather(data: Path, prompts: Path | None, most: int) -> "tuple[Chosen, dict[str, str]]":
    """The prompts to ask, and the hash of each file that they come from.

    Raises UserError for data or prompts that cannot be read, and when nothing is left to ask.
    """
    from tunewright.chat.reading.files import find_files
    from tunewright.chat.training_set import read_training_set
    from tunewright.contract.atomic import sha256_file
    from tunewright.contract.errors import UserError
    from tunewright.contract.suite import read_suite
    from tunewright.datagen.decontamination import SuiteGuard
    from tunewright.eval.rehearsal_rows import choose_prompts, direct_prompts, with_structure

    lineage = {str(file.path): sha256_file(file.path) for file in find_files([data])}
    rows = read_training_set(data).rows
    train = rows.get("train", [])
    if prompts:
        whole, texts = read_prompts(prompts)
        lineage[str(prompts)] = sha256_file(prompts)
    else:
        whole, texts = direct_prompts(rows), unused_questions(data)
    guard = SuiteGuard(read_suite(path) for path in sorted((ROOT / "suites").glob("*.jsonl")))
    chosen = choose_prompts(
        [*whole, *with_structure(texts, train, SEED)],
        train,
        lambda text: guard.reason(text, text, ()),
        most,
        SEED,
    )
    if not chosen.prompts:
        why = ", ".join(f"{count:,}: {reason}" for reason, count in chosen.left_out.items())
        raise UserError(
            f"{prompts or data}: no prompt to ask{f' ({why})' if why else ''}",
            "Only requests that are answered without a call are asked, outside of train. Give prompts of your own: "
            "--prompts FILE, one a line.",
        )
    return chosen, lineage


def read_prompts(path: Path) -> "tuple[list[Case], list[str]]":
    """Conversations that are asked as they are, and single requests, of a text file or JSONL.

    Raises UserError with `file:line` for a line that is neither.
    """
    from pydantic import ValidationError

    from tunewright.contract.errors import UserError
    from tunewright.contract.example import Example, read_jsonl
    from tunewright.eval.rehearsal_rows import make_prompt

    if path.suffix != ".jsonl":
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path}: cannot be read ({error})", "Give a text file, a prompt a line."
            ) from error
        return [], [line.strip() for line in lines if line.strip()]
    whole: list[Case] = []
    texts: list[str] = []
    for number, value in read_jsonl(path):
        text = value.get("prompt") if isinstance(value, dict) else value
        if isinstance(text, str) and text.strip():
            texts.append(text.strip())
            continue
        try:
            row = Example.model_validate(value)
        except ValidationError:
            row = None
        if row is None or row.messages[-1].role != "user":
            raise UserError(
                f"{path}:{number}: not a prompt",
                'A line is {"prompt": "…"}, or {"messages": […]} that end with what the user says.',
            )
        if len(row.messages) == 1 and not row.tools:
            texts.append(row.request)
        else:
            whole.append(make_prompt(row.messages, row.tools))
    return whole, texts


def unused_questions(data: Path) -> list[str]:
    """Of a dataset that `data.generate` made, the questions about no tool that the generator knows; of any other none."""
    import json

    from tunewright.contract.manifest import DATASET as MANIFEST
    from tunewright.datagen.families.direct import read_pairs

    try:
        generated = "generator" in json.loads((data / MANIFEST).read_bytes())["facts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    pairs = read_pairs().values() if generated else ()
    return [pair.question for pair in pairs if not (pair.tools or pair.programs or pair.unless)]


def rehearse_prompts(
    asked: Asked, chosen: "Chosen", lineage: Mapping[str, str], out: Path, max_tokens: int
) -> "DatasetManifest":
    """Have the base answer what it has not answered before, and write the folder; what is finished is used again.

    Raises UserError when too few answers can be used, and as asking does; answers that came are kept all the same.
    """
    from tunewright.chat.dataset_folder import finished_dataset, write_dataset
    from tunewright.contract.atomic import sha256_json
    from tunewright.contract.errors import UserError
    from tunewright.eval.rehearsal_rows import rehearsal
    from tunewright.eval.validation import ValidationFolder

    place = sha256_json([asked.identity, max_tokens])[:16]
    key = sha256_json([REHEARSAL, place, asked.name, [prompt.id for prompt in chosen.prompts]])
    if (finished := finished_dataset(out, key)) is not None:
        return finished
    known = ValidationFolder(REHEARSALS / place)
    known.path.mkdir(parents=True, exist_ok=True)
    answers = {answer.case: answer for answer in known.read_answers(ANSWERS)}
    missing = [prompt for prompt in chosen.prompts if prompt.id not in answers]
    say(f"rehearse  {len(chosen.prompts):,} prompts, {len(chosen.prompts) - len(missing):,} answered before")
    if missing:
        if asked.endpoint:
            ask_endpoint(asked.endpoint, missing, known, max_tokens)
        elif asked.model:
            ask_here(asked.model, missing, known, max_tokens)
        answers = {answer.case: answer for answer in known.read_answers(ANSWERS)}
    made = rehearsal(chosen.prompts, answers, asked.name, SEED)
    if not all(made.rows.values()):
        raise UserError(
            f"{asked.name}: {sum(map(len, made.rows.values()))} of {len(chosen.prompts)} answers can be used, too few to "
            f"train on some and hold others out (rejected: {made.reasons})",
            "Give more prompts (--prompts), or a base that answers in words.",
        )
    facts: dict[str, Any] = {
        "model": asked.name,
        "endpoint": asked.endpoint.url if asked.endpoint else "",
        "identity": asked.identity,
        "temperature": 0,
        "max_tokens": max_tokens,
        "asked": len(chosen.prompts),
        "left_out": dict(chosen.left_out.most_common()),
        "rejected": made.reasons,
    }
    return write_dataset(
        out,
        {split: [row.row() for row in rows] for split, rows in made.rows.items()},
        seed=SEED,
        lineage={**lineage, asked.name: asked.identity},
        facts={"key": key, "rehearsal": facts},
        extra={
            "rejected.jsonl": [
                {
                    "reason": fault.kind,
                    "detail": fault.detail,
                    "prompt": prompt.messages[-1].content,
                    "answer": answer.text,
                }
                for prompt, answer, fault in made.rejected
            ]
        },
    )


def ask_endpoint(
    place: "Endpoint", prompts: "Sequence[Case]", known: "ValidationFolder", max_tokens: int
) -> None:
    """Ask an endpoint; each answer is kept when it comes. Raises as `answer_suite` does."""
    from tunewright.contract.suite import Suite
    from tunewright.eval.endpoint_client import answer_suite

    bar = Progress("rehearse")
    answer_suite(
        place,
        Suite(name=ANSWERS, cases=tuple(prompts)),
        max_tokens=max_tokens,
        keep=lambda answer: known.append(ANSWERS, answer),
        tick=lambda done, total: bar("answer", done, total),
    )


def ask_here(model: "Model", prompts: "Sequence[Case]", known: "ValidationFolder", max_tokens: int) -> None:
    """Ask a model on this machine in its worker's environment; what it has answered before an interruption is kept.

    Raises as `ask_local_worker` does, and UserError for prompts that the model's chat template refuses.
    """
    from tunewright.cli.template_fit import base_template
    from tunewright.contract.atomic import write_jsonl
    from tunewright.contract.recipe import Predict, Recipe
    from tunewright.contract.suite import Suite
    from tunewright.eval.held_out import case_row
    from tunewright.eval.predictions import read_predictions

    base = base_template(Recipe.model_validate({"schema": 1, "name": "rehearsal", "model": model}))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        parts = [prompts[start : start + PART] for start in range(0, len(prompts), PART)]
        suites: dict[Path, Suite] = {}
        for number, part in enumerate(parts, start=1):
            path = work / f"{number} of {len(parts)}.jsonl"
            write_jsonl(path, (case_row(prompt) for prompt in part))
            suites[path] = Suite(name=path.stem, cases=tuple(part))
        question = {
            "model": model.model_dump(mode="json"),
            "suites": [str(path) for path in fitted(suites, base, None, work)],
            "out": str(work / "answers"),
            "settings": Predict(max_tokens=max_tokens, batch_size=PART).model_dump(mode="json"),
            "converted": str(WORK / "host" / "bases"),
        }
        try:
            ask_local_worker(
                "predict_folder", question, Told("rehearse", "part {}: answer"), PREDICTING, model.base
            )
        finally:
            for path in sorted((work / "answers").glob("*.jsonl")):
                for answer in read_predictions(path):
                    known.append(ANSWERS, answer)


TASKS = (rehearse,)
