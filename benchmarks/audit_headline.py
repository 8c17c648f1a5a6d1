"""The headline's three numbers against the truth, on made datasets whose best possible guesses are known.

    python benchmarks/audit_headline.py [--datasets 20] [--rows 5000] [--seed 20261128]

Tools are drawn with given frequencies. The system message and small talk are drawn by the tool with known chances, and the
request says the tool with a known chance and else nothing. So the best guess by nothing, by structure and by the request is
known (Bayes), and each number of the headline has to come within two points of it.
"""

import argparse
import json
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from made_calls import NAMES, WORDINGS, listed, name

from tunewright.audit.audited import audit_dataset

TEXTS = ("You are a helpful assistant.", "You are a careful agent.", None)
VAGUE = ("{x} again, you know what to do", "the same for {x} please", "now {x} as we said", "and {x} then")


def make(rows: int, random: Random) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A dataset and its three truths."""
    tools = NAMES[: random.randint(3, 8)]
    weights = [random.choice((1, 1, 2, 5)) for _ in tools]
    prior = [weight / sum(weights) for weight in weights]
    strength = random.choice((0.0, 0.3, 0.6, 0.9))
    chances: list[tuple[list[float], float]] = []
    for _ in tools:
        texts = [random.random() * strength + (1 - strength) for _ in TEXTS]
        chances.append(([text / sum(texts) for text in texts], 0.3 + strength * random.uniform(-0.3, 0.6)))
    clear = random.choice((0.3, 0.6, 0.9, 1.0))
    made: list[dict[str, Any]] = []
    for _ in range(rows):
        place = random.choices(range(len(tools)), prior)[0]
        texts, talk = chances[place]
        text, about = random.choices(TEXTS, texts)[0], name(random)
        messages: list[dict[str, Any]] = [{"role": "system", "content": text}] if text else []
        if random.random() < talk:
            messages += [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi!"}]
        verb, noun = tools[place].split("_")
        wording = random.choice(WORDINGS) if random.random() < clear else random.choice(VAGUE)
        messages.append({"role": "user", "content": wording.format(verb=verb, noun=noun, x=about)})
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": tools[place], "arguments": json.dumps({"x": about})},
        }
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        made.append({"messages": messages, "tools": [listed(tool) for tool in tools]})
    structure = sum(
        max(p * texts[i] * (talk if talked else 1 - talk) for p, (texts, talk) in zip(prior, chances))
        for i, talked in product(range(len(TEXTS)), (True, False))
    )
    truth = {
        "majority": max(prior),
        "structure_only": structure,
        "query_only": clear + (1 - clear) * max(prior),
    }
    return made, truth


def main() -> int:
    """Print both; exit 1 when one is further off than promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--datasets", type=int, default=20)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20261128)
    options = parser.parse_args()
    random, start, worst = Random(options.seed), time.perf_counter(), 0.0
    print("dataset        majority   structure alone   request alone   (headline / truth)")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.datasets):
            rows, truth = make(options.rows, random)
            path = Path(folder, "train.jsonl")
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            seen = audit_dataset([path]).headline
            worst = max(worst, *(abs(seen[key] - truth[key]) for key in truth))
            print(
                f"{number:>7}" + "".join(f"   {seen[key]:.3f} / {truth[key]:.3f}" for key in truth),
                flush=True,
            )
    print(
        f"The largest difference: {100 * worst:.1f} points (seed {options.seed}, {time.perf_counter() - start:.0f} s)"
    )
    print("Promised: within 2 points:", "kept" if worst <= 0.02 else "BROKEN")
    return 0 if worst <= 0.02 else 1


if __name__ == "__main__":
    sys.exit(main())
