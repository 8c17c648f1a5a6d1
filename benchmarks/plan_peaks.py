"""A plan's peak memory against peaks that were measured: SmolLM2 trained here, and the 30-billion model on a Mac.

SmolLM2's weights are random, which takes the same memory as the trained ones. For each length the trainer itself takes an
optimizer step of the default recipe, in a process of its own, with rows of that many tokens that share no beginning and
have loss on their last quarter; the peak is mlx's, as a run's `loss` events report it.

The claim: every estimate lies within a tenth of its peak (exit code 1 otherwise).

    python benchmarks/plan_peaks.py [TOKENS ...]     lengths of a row (default: 256 512 1024)
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tunewright.contract.encoding import Encoded  # noqa: E402
from tunewright.contract.recipe import load_recipe  # noqa: E402
from tunewright.train.counting import count, plain_model  # noqa: E402
from tunewright.train.machine import worker_environment  # noqa: E402

LENGTHS = (256, 512, 1024)
SHARE = 0.25  # of a row's tokens that have loss
STEPS = 1
WITHIN = 0.1
BIG, BIG_TOKENS, BIG_PEAK = "qwen3-coder-30b-a3b", 430, 20.976e9  # mlx-lm's own report, batches of one row


class Silent:
    """Takes what a trainer reports."""

    def event(self, kind: str, stage: str | None = None, /, **data: Any) -> None: ...
    def progress(self, step: int, total: int | None = None, left: float | None = None) -> None: ...
    def check(self) -> None: ...


def config_of(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "recipes" / "configs" / f"{name}.json").read_text(encoding="utf-8"))["config"]


def rows_of(tokens: int, number: int) -> list[Encoded]:
    random = Random(tokens)
    loss = round(tokens * SHARE)
    return [
        Encoded(
            tuple(random.randrange(3, 40_000) for _ in range(tokens)),
            (0.0,) * (tokens - loss) + (1.0,) * loss,
        )
        for _ in range(number)
    ]


def measure(tokens: int) -> int:
    """Bytes at the peak of an optimizer step, in this process."""
    import mlx.core as mx

    from tunewright.train.checkpoint import Checkpoints
    from tunewright.train.training import Trainer

    recipe = load_recipe("smollm2", ROOT)
    model = plain_model(config_of("smollm2"), recipe.model.dtype)
    mx.eval(model.parameters())
    train = recipe.train.model_copy(update={"steps": STEPS + 1, "max_seq_length": tokens})
    rows = rows_of(tokens, train.batch_size * (STEPS + 1))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, train, 1, rows, rows[:1], Checkpoints(Path(folder), "key", train), Silent())
        mx.reset_peak_memory()
        for _ in range(STEPS):
            trainer._advance()  # pyright: ignore[reportPrivateUsage] - a step without validation
        return int(mx.get_peak_memory())


def main(lengths: list[int]) -> int:
    """Print the table; the exit code is 1 when an estimate is off by more than a tenth."""
    rows: list[tuple[str, float, float]] = []
    recipe = load_recipe("smollm2", ROOT)
    for tokens in lengths:
        command = [sys.executable, __file__, "--measure", str(tokens)]
        done = subprocess.run(
            command, env=worker_environment(dict(os.environ)), capture_output=True, text=True, check=True
        )
        longer = recipe.model_copy(
            update={"train": recipe.train.model_copy(update={"max_seq_length": tokens})}
        )
        plan = count(longer, config_of("smollm2"), tokens, SHARE, on_cpu=True).training.total
        rows.append(
            (f"smollm2, {recipe.train.batch_size} x {tokens} tokens", plan, int(done.stdout.split()[-1]))
        )
    big = count(load_recipe(BIG, ROOT), config_of(BIG), BIG_TOKENS).training.total
    rows.append((f"{BIG}, 1 x {BIG_TOKENS} tokens, as reported", big, BIG_PEAK))
    off = 0
    for what, plan, peak in rows:
        bad = abs(plan / peak - 1) > WITHIN
        off += bad
        print(
            f"{'FAIL' if bad else 'ok  '} {what}: plan {plan / 1e9:.3f} GB, peak {peak / 1e9:.3f} GB, {plan / peak - 1:+.1%}"
        )
    return 1 if off else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(measure(int(sys.argv[2])))
        sys.exit(0)
    sys.exit(main([int(word) for word in sys.argv[1:]] or list(LENGTHS)))
