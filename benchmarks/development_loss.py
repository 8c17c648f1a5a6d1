"""How likely do runs' models find the right answers to the development suite? For choosing what training data hold.

    python benchmarks/development_loss.py RUN [RUN ...]

Of each case the right answer that the model finds likeliest counts, as its mean loss a token (nats); of each run this prints
the mean over calls and over words, and the paired difference from the first run's with its 95 % interval. A small model has
few answers right, and counting them tells little. No suite that judges a model is read.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SUITE = ROOT / "suites" / "development.jsonl"

from tunewright.contract.run import RunFolder  # noqa: E402
from tunewright.contract.suite import read_suite  # noqa: E402
from tunewright.train.machine import worker_environment  # noqa: E402


def losses(folder: Path) -> dict[str, float]:
    """Loss a token by case, of the run's delivered model."""
    from tunewright.train.base import expand_on_cpu, load_folder

    loaded = expand_on_cpu(load_folder(RunFolder(folder).stage("quantize")), "float32")
    found: dict[str, float] = {}
    for case in read_suite(SUITE).cases:
        messages = [message.model_dump(exclude_none=True) for message in case.messages]
        golds = [gold for gold in case.gold if isinstance(gold, str)]
        if golds:
            found[case.id] = min(_loss(loaded, messages, gold) for gold in golds)
    return found


def _loss(loaded: Any, messages: Sequence[Any], answer: str) -> float:
    import mlx.core as mx
    import mlx.nn as nn

    asked: str = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt, said = (
        loaded.tokenizer.encode(text, add_special_tokens=False)
        for text in (asked, answer + loaded.tokenizer.eos_token)
    )
    scores = loaded.model(mx.array([prompt + said[:-1]]))[:, len(prompt) - 1 :]
    loss: Any = nn.losses.cross_entropy(scores, mx.array([said]), reduction="mean")
    return float(loss.item())


def compare(names: Sequence[str], runs: Sequence[Mapping[str, float]], categories: Mapping[str, str]) -> None:
    """Print a table of means, and of differences from the first run."""
    for title, words in (("calls", False), ("words", True)):
        cases = [case for case in runs[0] if (categories[case] == "direct_answer") is words]
        print(f"{title}, {len(cases)} cases")
        for name, run in zip(names, runs):
            gaps = [run[case] - runs[0][case] for case in cases]
            half = 1.96 * stdev(gaps) / math.sqrt(len(gaps))
            print(f"  {mean(run[case] for case in cases):.3f}  {mean(gaps):+.3f} +- {half:.3f}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--measure", action="store_true", help="print one run's losses as JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(losses(options.runs[0])))
        return
    found: list[dict[str, float]] = []
    for run in options.runs:
        # A process of its own: the libraries that mlx needs on a CPU are preloaded.
        command = [sys.executable, __file__, "--measure", str(run)]
        done = subprocess.run(
            command, env=worker_environment(dict(os.environ)), stdout=subprocess.PIPE, check=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    compare(
        [run.name for run in options.runs],
        found,
        {case.id: case.category for case in read_suite(SUITE).cases},
    )


if __name__ == "__main__":
    main()
