"""Does what the shipped recipes generate pass the audit? Each one's dataset, with several seeds.

    python benchmarks/recipe_audits.py [--seeds 20260917 1 2] [--recipe NAME ...] [--syntax SYNTAX]

Recipes with the same data are audited once, each as its run would be, with its suites. Claimed: every verdict is pass,
without a warning. `--syntax` writes the calls of all of them in another way.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tunewright.audit.audited import audit_dataset
from tunewright.contract.atomic import sha256_json
from tunewright.contract.recipe import Data, Recipe, load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).resolve().parents[1]


def distinct(names: list[str], syntax: str) -> dict[str, tuple[Recipe, list[str]]]:
    """By what they generate: a recipe, and the names of all that generate the same."""
    found: dict[str, tuple[Recipe, list[str]]] = {}
    for name in names:
        recipe = load_recipe(name, ROOT)
        if syntax:
            data = Data.model_validate(recipe.data.model_dump() | {"syntax": syntax})
            recipe = recipe.model_copy(update={"data": data})
        suites = [suite.path for suite in recipe.suites]
        key = sha256_json([recipe.data.model_dump(mode="json"), suites])
        found.setdefault(key, (recipe, []))[1].append(name)
    return found


def main() -> int:
    """Print each verdict; 1 when one is not a pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[20260917, 1, 2])
    parser.add_argument(
        "--recipe", nargs="+", default=sorted(p.stem for p in (ROOT / "recipes").glob("*.toml"))
    )
    parser.add_argument("--syntax", default="")
    options = parser.parse_args()
    passed = True
    for recipe, names in distinct(options.recipe, options.syntax).values():
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as scratch:
                made = Path(scratch, "made")
                generate_dataset(recipe, made, seed, root=ROOT)
                report = audit_dataset(
                    [made], suites=[ROOT / suite.path for suite in recipe.suites if suite.path]
                )
            found = [f for f in report.findings if f.severity in ("warn", "fail")]
            passed = passed and not found and report.verdict == "pass"
            print(f"{', '.join(names)}, seed {seed}: {report.verdict}", flush=True)
            for finding in found:
                print(f"  {finding.severity} {finding.check}: {finding.message}", flush=True)
    print(f"every dataset passes without a warning: {'holds' if passed else 'BROKEN'}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
