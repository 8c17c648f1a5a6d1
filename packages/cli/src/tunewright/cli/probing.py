"""The task that shows the cause: a small model is trained on a dataset, and asked with the structure changed."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.data import CONFIG, DATASET
from tunewright.cli.invoke_program import command
from tunewright.cli.local_worker import Told, ask_local_worker
from tunewright.cli.pipeline import DATA, DEFAULT_RECIPE, PROBES, WORK
from tunewright.contract.console import say, spelled
from tunewright.contract.outputs import check_outputs, is_stdout, write_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunewright.audit.probe.verdict import ProbeResult
    from tunewright.chat.reading.files import DataFile
    from tunewright.chat.reading.settings import Reading
    from tunewright.contract.recipe import Model, Train

SMALL = "small"  # the model that is trained from nothing
PROBING = 2 * 3600.0  # seconds


@command(
    iterable=["data"],
    data=DATASET + "; repeatable (default: the default recipe's)",
    model="embedded:smollm2-135m, or a model's folder, to put LoRA on (default: a model of 1.6 million parameters, "
    "trained from nothing)",
    json="write it as JSON to this file, or - for standard output",
    config=CONFIG,
    steps="at most so many training steps (default: 300, and 100 with --model)",
)
def probe(
    c: Context,
    data: list[str] = [],
    model: str = "",
    json: str = "",
    config: str = "",
    steps: int = 0,
) -> None:
    """Does structure decide the tool? Train a small model on the data and ask it with the structure changed."""
    from tunewright.audit.probe.saved import fingerprint, save_probe
    from tunewright.audit.probe.terminal import probe_text
    from tunewright.chat.reading.files import find_files
    from tunewright.chat.reading.settings import load_reading
    from tunewright.contract.errors import UserError

    if steps < 0:
        raise UserError(f"--steps {steps} is not a number of steps", "Give 1 or more, or leave it out.")
    base = probed_base(model)
    files = find_files([Path(name) for name in data] or [DATA / DEFAULT_RECIPE])
    check_outputs(json, inputs=[*(file.path for file in files), *([Path(config)] if config else [])])
    result = run_probe(files, load_reading(Path(config) if config else None), base, steps)
    value = result.to_json()
    data_of = fingerprint((file.split, file.sha256) for file in files)
    saved = save_probe(
        PROBES, data_of, base.base.rpartition("/")[2].replace(":", "-") if base else SMALL, value
    )
    if json:
        write_result(json, value)
    if not is_stdout(json):
        print(spelled(probe_text(result)))
        say(f"kept      {saved}")
    if result.exit_code:
        raise Exit(code=result.exit_code)


def probed_base(name: str) -> "Model | None":
    """The base that `--model` names; None for a model trained from nothing. Raises UserError for one on a hub."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.recipe import Model

    if not name:
        return None
    if name.startswith("embedded:"):
        return Model(base=name, dtype="float32")
    if not Path(name).is_dir():
        raise UserError(
            f"--model {name} is neither embedded:NAME nor a folder",
            "Give --model embedded:smollm2-135m, or the folder of a model.",
        )
    return Model(base=str(Path(name).resolve()), dtype="float32")


def probe_settings(lora: bool, steps: int) -> "Train":
    """How a probe trains: every weight of a small model, or LoRA on a base."""
    from tunewright.contract.recipe import Train

    steps = steps or (100 if lora else 300)
    return Train(
        steps=steps,
        batch_size=4 if lora else 16,
        learning_rate=1e-3 if lora else 3e-3,
        warmup=min(10, steps),
        max_seq_length=1024,
        rank=8,
        scale=4.0,
        layers=-1,
        mask="last_assistant",
        checkpoint_every=steps,
        validate_every=steps,
    )


def run_probe(
    files: "Sequence[DataFile]", reading: "Reading", base: "Model | None", steps: int
) -> "ProbeResult":
    """Read the data, have a model trained on them, ask it, and judge."""
    from tunewright.audit.probe.decisions import read_decisions
    from tunewright.audit.probe.plan import plan_probe

    plan = plan_probe(read_decisions(files, reading))
    say(
        f"probe     {plan.facts['rows']:,} rows read, {len(plan.train):,} to train on, {len(plan.requests)} held-out "
        f"requests asked in {len(plan.asked):,} ways, {len(plan.facts['tools'])} tools"
    )
    if plan.facts["unread"]:
        say(f"probe     {plan.facts['unread']:,} rows teach no choice of a tool that can be read")
    if plan.why_not:
        return plan.without_answers(plan.why_not)
    name = base.base if base else ""
    question = {
        "train": [decision.row() for decision in plan.train],
        "valid": [decision.row() for decision in plan.requests],
        "asked": [asked.row() for asked in plan.asked],
        "converted": str(WORK / "host" / "bases"),
        "settings": probe_settings(base is not None, steps).model_dump(mode="json"),
        "model": base.model_dump(mode="json") if base else None,
    }
    answer = ask_local_worker("probe", question, Told("probe", "{}"), PROBING, name)
    if "diverged" in answer:
        return plan.without_answers(f"training ran away: {answer['diverged']}")
    answers = answer.pop("answers")
    say(
        f"probe     {answer['parameters'] / 1e6:.1f} million parameters, {answer['steps']} steps in "
        f"{answer['training_seconds']:.0f} s, {len(answers):,} answers in {answer['answering_seconds']:.0f} s"
    )
    return plan.result(answers, answer)


TASKS = (probe,)
