"""How often generated data call each tool: a table of shares of all calls, and the limits of 8 and 15 %.

    python benchmarks/tool_shares.py [--data FOLDER] [--examples 400] [--recipe tiny] [--as-it-is] [--seed N]

Without `--data` a dataset of the recipe's tools is made, whose two groups are as large as their numbers of tools say (of
eight tools, two of them for navigation, a quarter); with `--as-it-is` the groups are those of the recipe. A recipe that
asks for half of its examples from two tools gets more than 15 % of each: the limits are for what the generator decides.
Calls are counted in programs and as data. A share's interval is Wilson's at 95 %. Exits 1 when a share is outside of the
limits.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tunewright.chat.message import called_by
from tunewright.contract.catalog import recipe_catalog
from tunewright.contract.recipe import Data, load_recipe
from tunewright.datagen.generate import generate_dataset
from tunewright.datagen.no_tool_questions import NAVIGATION_TOOLS
from tunewright.eval.statistics import Proportion

ROOT = Path(__file__).parents[1]
LEAST, MOST = 0.08, 0.15


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description="How often generated data call each tool.")
    parser.add_argument("--data", type=Path, help="a dataset instead of one that is made")
    parser.add_argument("--examples", type=int, default=400)
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--as-it-is", action="store_true", help="keep the sizes of the recipe's groups")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, ROOT)
    tools = recipe_catalog(recipe.data).tool_names
    if options.data:
        return tell(options.data, tools)
    data = recipe.data if options.as_it_is else evenly(recipe.data, tools, options.examples)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "made")
        generate_dataset(recipe.model_copy(update={"data": data}), made, options.seed, root=ROOT)
        print(f"recipe {recipe.name}: {data.navigation} navigation, {data.other} other")
        return tell(made, tools)


def evenly(data: Data, tools: Sequence[str], examples: int) -> Data:
    """The recipe's data with groups in proportion to their numbers of tools."""
    navigation = sum(tool in NAVIGATION_TOOLS for tool in tools)
    share = round(examples * navigation / len(tools))
    return data.model_copy(update={"navigation": share, "other": examples - share})


def tell(folder: Path, tools: Sequence[str]) -> int:
    """Print each tool's share of the calls in all splits; 1 when one is outside of the limits."""
    calls: Counter[str] = Counter(dict.fromkeys(tools, 0))
    rows = 0
    for path in (folder / "train.jsonl", folder / "valid.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            rows += 1
            for message in json.loads(line)["messages"]:
                calls.update(called_by(message))
    total = calls.total()
    print(f"{folder.name}: {rows} rows, {total} calls; each tool {LEAST:.0%} to {MOST:.0%} of them")
    outside = 0
    for tool, count in sorted(calls.items(), key=lambda item: (-item[1], item[0])):
        right = total > 0 and LEAST <= count / total <= MOST
        outside += not right
        low, high = Proportion(count, total).interval
        told = f"{count / max(1, total):.1%} [{low:.0%}, {high:.0%}]"
        print(f"  {tool:<20} {count:>5}  {told}{'' if right else '  outside'}")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
