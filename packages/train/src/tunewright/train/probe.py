"""A small model trained from nothing on rows of chat, or LoRA on a base, and what it answers to requests.

    python -m tunewright.train.probe

reads a `Question` as JSON on standard input and prints one line of JSON: `{"answers": [texts], "parameters": n, "steps": n,
"loss": nats a token, "training_seconds": n, "answering_seconds": n}`, or `{"error": …, "hint": …}` with exit code 2.
Progress is told as one_question.py says.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tunewright.contract.example import Example, Message
from tunewright.contract.recipe import Model, Predict, Train
from tunewright.train.one_question import Tick, answer_question

LONGEST_ANSWER = 48  # tokens, where a question does not say
BATCH = 64  # requests answered at a time
LAYERS = 3  # of the model that is trained from nothing
MOST_TOKENS = 600_000  # that are trained on
LEAST_STEPS = 60


class Request(BaseModel):
    """`begun` is the text that the answer is made to begin with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: tuple[Message, ...]
    begun: str = ""


class Question(BaseModel):
    """Rows to train on and to measure the loss on, which end with an answer, and requests without one.

    Without a `model` one is trained from nothing; one that has to be converted is kept below `converted`. Where rows are
    long, fewer than `settings.steps` are done. `longest` is the most tokens of an answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    asked: tuple[Request, ...]
    converted: Path
    settings: Train
    model: Model | None = None
    seed: int = 1
    longest: int = LONGEST_ANSWER


class _Quiet:
    """What training reports: its steps, to `tick`."""

    def __init__(self, tick: Tick) -> None:
        self._tick = tick

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None: ...
    def check(self) -> None: ...

    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None:
        del left
        self._tick("step", step, total or 0)


def probe(question: Question, tick: Tick) -> dict[str, Any]:
    """Train, then answer every request greedily; the answers in order, or `{"diverged": why}` where training ran away.

    Raises UserError for a base that is not there and rows that cannot be trained.
    """
    from tunewright.train.training import Diverged

    with tempfile.TemporaryDirectory() as folder:
        try:
            return _probe(question, tick, Path(folder))
        except Diverged as error:
            return {"diverged": error.message}


def _probe(question: Question, tick: Tick, folder: Path) -> dict[str, Any]:
    from tunewright.train.base import Base, find_base, load_base
    from tunewright.train.checkpoint import Checkpoints
    from tunewright.train.encode import encode_all, encoder_for
    from tunewright.train.predict import generate
    from tunewright.train.tiny.model import parameter_count
    from tunewright.train.training import Trainer

    began = time.monotonic()
    base = (
        find_base(question.model, question.converted)
        if question.model
        else Base(new_base(folder / "base", question.train, question.seed), "", "float32")
    )
    loaded = load_base(base)
    encoder = encoder_for(loaded.tokenizer)
    longest, mask = question.settings.max_seq_length, question.settings.mask
    rows, valid = (
        encode_all(encoder, split, mask=mask, max_length=longest, origin="the probe's rows").rows
        for split in (question.train, question.valid)
    )
    train = fewer_steps(question.settings, sum(map(len, rows)) / len(rows))
    checkpoints = Checkpoints(folder / "checkpoints", "probe", train)
    trainer = Trainer(
        *(loaded.model, train, question.seed, rows, valid, checkpoints, _Quiet(tick)),
        whole=question.model is None,
    )
    progress = trainer.run()
    trained = time.monotonic()
    loaded.model.eval()
    prompts = [
        [*encoder.prompt(request.messages), *loaded.tokenizer.encode(request.begun, add_special_tokens=False)]
        for request in question.asked
    ]
    found = generate(
        loaded,
        prompts,
        Predict(max_tokens=question.longest, batch_size=BATCH),
        question.seed,
        lambda done, worth: tick("answer", done, len(prompts), worth),
    )
    return {
        "answers": [
            request.begun + loaded.tokenizer.decode(answer.tokens)
            for request, answer in zip(question.asked, found)
        ],
        "parameters": parameter_count(loaded.model),
        "steps": train.steps,
        "loss": round(progress.validation[-1].loss, 4),
        "training_seconds": round(trained - began, 1),
        "answering_seconds": round(time.monotonic() - trained, 1),
    }


def fewer_steps(train: Train, tokens: float) -> Train:
    """Training on at most MOST_TOKENS, given the tokens of a row: what it costs goes by them."""
    steps = max(LEAST_STEPS, int(MOST_TOKENS / (train.batch_size * tokens)))
    if steps >= train.steps:
        return train
    return train.model_copy(
        update={
            "steps": steps,
            "warmup": min(train.warmup, steps),
            "checkpoint_every": steps,
            "validate_every": steps,
        }
    )


def new_base(folder: Path, examples: Sequence[Example], seed: int) -> Path:
    """A model that knows nothing, with a tokenizer made from these examples."""
    from tunewright.train.tiny import bpe_tokenizer
    from tunewright.train.tiny.model import CONFIG, export, new_model

    folder.mkdir(parents=True)
    texts = (
        bpe_tokenizer.render({"role": m.role, "content": m.content} for m in example.messages)
        for example in examples
    )
    bpe_tokenizer.save(bpe_tokenizer.train(texts), folder)
    config = {**CONFIG, "num_hidden_layers": LAYERS}
    export(new_model(seed, config), folder, config)
    return folder


def main() -> int:
    """Answer one question on standard input; the exit code is 0, or 2 for one that cannot be answered."""
    return answer_question("probe", Question, probe)


if __name__ == "__main__":
    sys.exit(main())
