"""Which Macs are fit for the recipes that are shipped, counted from their configs alone.

The claims: every config counts exactly the parameters that were published; "fit" is said of no Mac whose GPU may hold
less than training is estimated to take. What is fit is reported as it comes.

    python benchmarks/recipe_plans.py [NAME ...]     recipes (default: all with a config)
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tunewright.cli.plan_text import Plan, plan_text  # noqa: E402
from tunewright.cli.planning import memory_budget  # noqa: E402
from tunewright.contract.recipe import load_recipe  # noqa: E402
from tunewright.contract.sizes import size  # noqa: E402
from tunewright.remote.host_facts import parse_facts  # noqa: E402
from tunewright.train.counting import count  # noqa: E402

MEMORIES = (16, 32, 64, 128)  # GiB
SAID = {"is fit": "fit", "is not fit": "no", "is not known": "short rows"}


def main(names: list[str]) -> int:
    """Print the table; the exit code is 1 when a claim does not hold."""
    broken: list[str] = []
    macs = " | ".join(f"{memory} GB" for memory in MEMORIES)
    print(f"| recipe | parameters | trained | base | delivered | to train | batch | {macs} |")
    print("|---|---:|---:|---:|---:|---:|---|" + "---|" * len(MEMORIES))
    for name in names or sorted(path.stem for path in (ROOT / "recipes" / "configs").glob("*.json")):
        recipe = load_recipe(name, ROOT)
        known = json.loads((ROOT / "recipes" / "configs" / f"{name}.json").read_text(encoding="utf-8"))
        tokens = known.get("tokens", 0)
        counts = count(recipe, known["config"], tokens)
        if counts.parameters + known.get("not_counted", 0) != known["published"]:
            broken.append(f"{name} counts {counts.parameters:,} parameters")
        verdicts: list[str] = []
        for memory in MEMORIES:
            facts = parse_facts({"system": "Darwin", "arch": "arm64", "memory_bytes": str(memory << 30)})
            budget, source = memory_budget(facts)
            plan = Plan(
                recipe, "mac", "", counts, memory_budget=budget, memory_source=source, length_known=tokens > 0
            )
            said = plan_text(plan).partition("verdict")[2]
            verdicts.append(next(word for words, word in SAID.items() if words in said))
            if verdicts[-1] == "fit" and counts.training.total > (budget or 0):
                broken.append(f"{name} is called fit for {memory} GB")
        row = [
            name,
            f"{counts.parameters:,}",
            f"{counts.trained:,}",
            size(counts.base_bytes),
            size(counts.quantized_bytes),
            size(counts.training.total),
            f"{recipe.train.batch_size} x {counts.training.batch_tokens // recipe.train.batch_size}",
            *verdicts,
        ]
        print(f"| {' | '.join(row)} |")
    print("\nMemory is what macOS gives its GPU: two thirds up to 36 GB, three quarters above; sysctl")
    print(
        "iogpu.wired_limit_mb gives more. Batches are as long as max_seq_length lets through, all of it with loss,"
    )
    print('but for lengths of a real run. "short rows": the weights fit, a batch of full length does not.')
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
