"""Does the default run's verdict hang on luck? The default recipe with several seeds, each with its own dataset.

    python benchmarks/default_seeds.py [--seeds N] [--whole] [--recipe NAME]

A seed draws the examples, their order and the adapter's first weights. Of each run this prints what base and tuned model
have right of every suite, the p-value of the exact paired test, the validation loss, fidelity, verdict and minutes; then the
spread. `--whole`: the suites with all of their cases instead of the quick ones. Claimed: in every run the tuned model beats
its base at p < 0.01 over the cases of both suites together, and the verdict is the same. The runs stay in `runs/`.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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


def figures(run: Path) -> dict[str, Any]:
    verdict = json.loads((run / "scores" / "verdict.json").read_text())
    manifest = json.loads((run / "train" / "manifest.json").read_text())
    suites: dict[str, tuple[float, float, int, float]] = {}
    for name in sorted(path.stem for path in (run / "scores" / "base").glob("*.json")):
        base, tuned = (
            json.loads((run / "scores" / model / f"{name}.json").read_text())["metrics"]["overall"]
            for model in ("base", verdict["model"])
        )
        suites[name] = (base["k"], tuned["k"], tuned["n"], p_value(verdict, name))
    facts = manifest["facts"]
    return {
        "verdict": verdict["verdict"],
        "suites": suites,
        "p": p_value(verdict, None),
        "loss": (facts["validation_before"], facts["validation_best"]),
        "fidelity": (verdict["fidelity"] or {}).get("agreement"),
    }


def p_value(verdict: dict[str, Any], suite: str | None) -> float:
    """Of the paired test against the base on a suite; None: on both together."""
    return next(g["p"] for g in verdict["gates"] if g["metric"] == "beats_base" and g["suite"] == suite)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--whole", action="store_true", help="answer the whole suites")
    parser.add_argument("--recipe", default="smollm2")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, options.seeds + 1):
            recipe = Path(folder, f"{options.recipe}.toml")
            recipe.write_text(recipe_text(options.recipe, seed, options.whole), encoding="utf-8")
            seconds, code, run = train(recipe)
            result = figures(run)
            found.append(result)
            said = ", ".join(
                f"{name} {base:g} -> {tuned:g} of {n} (p {p:.2g})"
                for name, (base, tuned, n, p) in result["suites"].items()
            )
            before, best = result["loss"]
            print(
                f"seed {seed}: {said}; together p {result['p']:.2g}; loss {before:.3f} -> {best:.3f}; "
                f"fidelity {result['fidelity']:.1%}; "
                f"{result['verdict']} (exit {code}) in {seconds / 60:.1f} min; {run.name}",
                flush=True,
            )
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
