"""How fast examples are made, and where the time goes.

    python benchmarks/datagen_speed.py [--examples 800] [--seed 1]

Makes a dataset of the tiny recipe from a cold start (no cache is kept between runs) and prints examples a second, seconds
spent inside each stage, and how much near-duplicate filtering would take away. Two threads work side by side, so the
stages add up to more than the clock.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunewright.contract.recipe import load_recipe
from tunewright.datagen import corpus, crosscheck, generate, maker, plan, program, tools
from tunewright.datagen.guard import NearDuplicates

ROOT = Path(__file__).parents[1]
TOOLS = (
    "goto_definition",
    "find_references",
    "typecheck",
    "ruff_check",
    "pytest_run",
    "read_file",
    "run_command",
)

spent: defaultdict[str, float] = defaultdict(float)
calls: Counter[str] = Counter()
lock = threading.Lock()


def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, its time added to `spent`."""

    def called(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            with lock:
                spent[stage] += time.perf_counter() - start
                calls[stage] += 1

    return called


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast examples are made, and where the time goes.")
    parser.add_argument("--examples", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in TOOLS:
        setattr(tools.Toolbox, name, timed(f"tool {name}", getattr(tools.Toolbox, name)))
    crosscheck.Jedi.ask = timed("jedi's second opinion", crosscheck.Jedi.ask)
    program.Sandbox.run = timed("programs, tools included", program.Sandbox.run)
    maker.sites_of = timed("sites in the corpora", maker.sites_of)
    plan.installed_corpus = timed("reading the corpora", corpus.installed_corpus)

    recipe = load_recipe("tiny", ROOT)
    half = options.examples // 2
    data = recipe.data.model_copy(update={"navigation": half, "other": options.examples - half})
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        made = generate.generate_dataset(
            recipe.model_copy(update={"data": data}), Path(folder, "made"), options.seed, root=ROOT
        )
        seconds = time.perf_counter() - start
        rows = [
            json.loads(line)
            for split in made.splits.values()
            for line in Path(folder, "made", split.file).read_text(encoding="utf-8").splitlines()
        ]
    print(f"{len(rows)} examples in {seconds:.1f} s: {len(rows) / seconds:.1f} a second")
    for stage, total in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {stage:<28} {total:7.1f} s in {calls[stage]:>6} calls")
    rejected = sum(sum(entry["rejected"].values()) for entry in made.facts["ledger"].values())
    print(f"rejected candidates: {rejected} ({rejected / (rejected + len(rows)):.0%} of all)")
    for threshold in (0.7, 0.8):
        near = NearDuplicates(threshold)
        kept = sum(
            near.add("\n".join(m["content"] for m in row["messages"] if m["role"] == "user")) for row in rows
        )
        print(f"kept by near-duplicate filtering at {threshold}: {kept / len(rows):.1%}")


if __name__ == "__main__":
    main()
