"""Does the default run's verdict hang on luck? The default recipe with several seeds, each with its own dataset.

    python benchmarks/default_seeds.py [--seeds N] [--whole] [--recipe NAME]
    python benchmarks/default_seeds.py --runs RUN [RUN ...]      the same figures of runs that have been made

A seed draws the examples, their order and the adapter's first weights. Of each run this prints what base and tuned model
have right of every suite, the p-value of the exact paired test, the validation loss, fidelity, verdict and minutes; then the
spread. `--whole`: the suites with all of their cases instead of the quick ones. Claimed: in every run the tuned model beats
its base at p < 0.01 over the cases of both suites together, and the verdict is the same. The runs stay in `runs/`. A run
given may have answered other suites too; they are not looked at.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tunewright.contract.manifest import read_manifest
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.contract.run import RunFolder
from tunewright.eval.gates import judge_gates, overall_verdict
from tunewright.eval.run_scores import judge_run

ROOT = Path(__file__).resolve().parents[1]
CLAIMED = 0.01


def recipe_text(name: str, seed: int, whole: bool) -> str:
    text = (ROOT / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^seed = \d+", f"seed = {seed}", text)
    return re.sub(r"(?m)^subset = .*\n", "", text) if whole else text


def train(recipe: Path) -> tuple[float, int, Path]:
    before = set((ROOT / "runs").glob("*"))
    started = time.monotonic()
    done = subprocess.run([str(ROOT / "inv"), "train", "--recipe", str(recipe)], cwd=ROOT, check=False)
    made = sorted(set((ROOT / "runs").glob("*")) - before)
    if not made:
        sys.exit(f"no run was made; exit code {done.returncode}")
    return time.monotonic() - started, done.returncode, made[-1]


def figures(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """What a run has right of the recipe's suites, and what the recipe's gates say of it."""
    run = RunFolder(folder)
    judged = judge_run(run)
    names = [suite.name for suite in recipe.suites]
    tuned, base = ({name: scores[name] for name in names} for scores in (judged.tuned, judged.control or {}))
    gates = judge_gates(recipe.gates, tuned, base, judged.fidelity)
    p_values = {gate.gate.suite: gate.p for gate in gates if gate.gate.metric == "beats_base"}
    overall = {name: (base[name].metric("overall"), tuned[name].metric("overall")) for name in names}
    manifest = read_manifest(run.stage("train"))
    facts = manifest.facts if manifest else {}
    return {
        "verdict": overall_verdict(gates),
        "suites": {
            name: (before.k, after.k, after.n, p_values[name]) for name, (before, after) in overall.items()
        },
        "p": p_values[None],
        "loss": (facts["validation_before"], facts["validation_best"]),
        "fidelity": (judged.fidelity or {}).get("agreement"),
    }


def tell(name: str, folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Print a run's figures in a line."""
    result = figures(folder, recipe)
    said = ", ".join(
        f"{suite} {base:g} -> {tuned:g} of {n} (p {p:.2g})"
        for suite, (base, tuned, n, p) in result["suites"].items()
    )
    before, best = result["loss"]
    print(
        f"{name}: {said}; together p {result['p']:.2g}; loss {before:.3f} -> {best:.3f}; "
        f"fidelity {result['fidelity']:.1%}; {result['verdict']}",
        flush=True,
    )
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--whole", action="store_true", help="answer the whole suites")
    parser.add_argument("--recipe", default="smollm2")
    parser.add_argument(
        "--runs", nargs="+", type=Path, default=[], metavar="RUN", help="runs that have been made"
    )
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, ROOT)
    found = [tell(str(run), run, recipe) for run in options.runs]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, 1 + (0 if options.runs else options.seeds)):
            path = Path(folder, f"{options.recipe}.toml")
            path.write_text(recipe_text(options.recipe, seed, options.whole), encoding="utf-8")
            seconds, code, run = train(path)
            found.append(tell(f"seed {seed}, {seconds / 60:.1f} min, exit {code}, {run.name}", run, recipe))
    for name in found[0]["suites"]:
        shares = [tuned / n for result in found for _, tuned, n, _ in [result["suites"][name]]]
        print(f"{name}: {min(shares):.0%} to {max(shares):.0%}, mean {sum(shares) / len(shares):.0%}")
    beats = all(result["p"] < CLAIMED for result in found)
    same = len({result["verdict"] for result in found}) == 1
    print(f"beats its base at p < {CLAIMED} in every run: {'holds' if beats else 'BROKEN'}")
    print(f"the same verdict in every run: {'holds' if same else 'BROKEN'}")
    return 0 if beats and same else 1


if __name__ == "__main__":
    sys.exit(main())
