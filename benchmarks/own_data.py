"""Anybody's dataset goes the whole way: two commands a fixture, and one conversation is the same in every shape.

First the same 300 conversations are written in ten dialects and shapes; what training and the suite make of them has to be
equal. Then nine datasets of 300 rows each go through `./inv recipe.new` and `./inv train` in a fresh clone, with two
steps of the embedded model and few cases: exit code 0, 1 or 3, a report, and never a traceback.

    ./inv bench --only own_data
    python benchmarks/own_data.py Hermes Glaive    # the second half for these alone
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.many_shapes import (  # noqa: E402
    SHAPES,
    conversations,
    first_exchange,
    glaive,
    plain_chat,
    without_ids,
    xlam,
)
from tunewright.chat.training_set import prepare_dataset  # noqa: E402
from tunewright.contract.example import Example, read_examples  # noqa: E402
from tunewright.contract.suite import Prediction  # noqa: E402
from tunewright.eval.grade_calls import grade_calls  # noqa: E402
from tunewright.eval.held_out import HeldOutRow, case_row, make_cases  # noqa: E402

ROWS = 300
# What is changed in the recipe that `recipe.new` wrote, so that nine runs take minutes.
FEW = {
    "valid": 0.02,
    "steps": 2,
    "batch_size": 2,
    "warmup": 1,
    "checkpoint_every": 2,
    "validate_every": 2,
    "max_tokens": 12,
}
FIXTURES: dict[str, Callable[[Example], Any]] = {
    "OpenAI tools": SHAPES["openai"],
    "Hermes": SHAPES["hermes"],
    "ShareGPT": SHAPES["sharegpt"],
    "xLAM": lambda example: xlam(first_exchange(example)),
    "Glaive": glaive,
    "Mistral": SHAPES["mistral"],
    "Llama 3.1": SHAPES["llama 3.1"],
    "plain chat": plain_chat,
    "preference": SHAPES["preference"],
}


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(example: Example) -> list[str]:
    """Texts that somebody might answer, right and wrong."""
    calls = [
        {"name": call.function.name, "arguments": call.function.arguments}
        for message in example.messages
        for call in message.tool_calls
    ]
    right = "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)
    wrong = right.replace('"city"', '"town"').replace("USD", "CHF")
    return ["I do not know.", right or "Gladly.", wrong or "<tool_call>\n{}\n</tool_call>"]


def same_in_every_shape() -> bool:
    examples = conversations(ROWS)
    seen: dict[str, tuple[Any, Any, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for shape, row in SHAPES.items():
            data = write(Path(name) / f"{re.sub('[^a-z0-9]', '_', shape)}.jsonl", [row(e) for e in examples])
            folder, _ = prepare_dataset(data, Path(name) / "store", share=0.1, seed=1)
            rows = read_examples(folder / "train.jsonl")
            held_out = read_examples(folder / "valid.jsonl")
            cases = make_cases([HeldOutRow("valid", n, e) for n, e in enumerate(held_out, start=1)]).cases
            verdicts = [
                grade_calls(case, Prediction(case=case.id, text=text)).result
                for case in cases
                for text in answers(held_out[int(case.id.partition("-")[0]) - 1])
            ]
            suite = [_without_ids(case_row(case)) for case in cases]
            seen[shape] = ([without_ids(row) for row in rows], suite, verdicts)
    first = next(iter(seen.values()))
    print(f"{'shape':<18} {'rows':>5} {'cases':>6} {'right':>6}   training, suite and verdicts")
    for shape, found in seen.items():
        rows, suite, verdicts = found
        equal = [a == b for a, b in zip(found, first)]
        right = sum(verdict == "right" for verdict in verdicts)
        word = (
            "the same"
            if all(equal)
            else f"DIFFER: training {equal[0]}, suite {equal[1]}, verdicts {equal[2]}"
        )
        print(f"{shape:<18} {len(rows):>5} {len(suite):>6} {right:>6}   {word}")
    return all(found == first for found in seen.values())


def _without_ids(value: Any) -> Any:
    """Without what not every shape can hold: ids of calls, and the names of tools in their results."""
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    hidden = {"tool_call_id"} | ({"id"} if "function" in value else set[str]())
    hidden |= {"name"} if value.get("role") == "tool" else set[str]()
    return {key: _without_ids(item) for key, item in value.items() if key not in hidden}


def run(clone: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UV_", "VIRTUAL_ENV", "TUNEWRIGHT_")) and name not in {"UV", "PYTHONPATH"}
    }
    return subprocess.run(
        [str(clone / "inv"), *map(str, arguments)],
        cwd=clone,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )


def whole_way(wanted: list[str]) -> bool:
    examples = conversations(ROWS)
    good = True
    print(f"\n{'dataset':<14} {'recipe.new':>10} {'train':>6} {'cases':>6} {'seconds':>8}   verdict")
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "tunewright"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        run(clone, "--list")  # the installation, which no fixture's time includes
        for title, row in FIXTURES.items():
            if wanted and title not in wanted:
                continue
            kept = [e for e in examples if title != "xLAM" or e.messages[1].tool_calls]
            slug = re.sub("[^a-z0-9]", "-", title.lower())
            data = write(Path(name) / f"{slug}.jsonl", [row(example) for example in kept])
            recipe = Path(name) / f"{slug}.toml"
            began = time.monotonic()
            code: int | str = "-"
            cases, verdict = 0, "-"
            made = run(clone, "recipe.new", "--data", data, "--model", "embedded:tiny", "--out", recipe)
            fine = made.returncode == 0
            told = made.stderr
            if fine:
                text = recipe.read_text(encoding="utf-8")
                for key, value in FEW.items():
                    text = re.sub(rf"(?m)^{key} = \S+", f"{key} = {value}", text)
                recipe.write_text(text, encoding="utf-8")
                done = run(clone, "train", "--recipe", recipe, "--force")
                code, told = done.returncode, done.stderr
                runs = [path for path in (clone / "runs").glob("*") if f"-{slug}-" in path.name]
                cases = sum(lines_of(path / "inputs" / "suites" / "valid.jsonl") for path in runs)
                reported = [path for path in runs if (path / "report.html").is_file()]
                lines = [line for line in done.stdout.splitlines() if line.startswith("quantized: ")]
                verdict = lines[-1].partition(": ")[2] if lines else "-"
                fine = code in (0, 1, 3) and "Traceback" not in told and bool(cases and reported and lines)
            if not fine:
                print(told[-2000:])
            good &= fine
            took = time.monotonic() - began
            print(
                f"{title:<14} {made.returncode:>10} {code!s:>6} {cases:>6} {took:>8.0f}   {verdict}",
                flush=True,
            )
    return good


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


if __name__ == "__main__":
    # Both are measured, whatever came of the first.
    named = sys.argv[1:]
    results = [] if named else [same_in_every_shape()]
    sys.exit(not all([*results, whole_way(named)]))
