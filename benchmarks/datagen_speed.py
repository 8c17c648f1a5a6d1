"""How fast examples are made, and where the time goes.

    python benchmarks/datagen_speed.py [--examples 800] [--seed 1] [--offered [SHARE]] [--once] [--keep FOLDER]

Makes a dataset of the tiny recipe from a cold start (no cache is kept between runs) and prints examples a second, CPU
seconds, seconds spent inside each stage, and how much near-duplicate filtering would take away. Two threads work side by
side, so the stages add up to more than the clock. 800 examples may take 45 s on two cores and 10,000 ten minutes; where
other work keeps the machine busy the clock says little, so there the CPU seconds, shared by two cores, are held to that.
Then the dataset is audited as a run would audit it, and made a second time (not with `--once`) to see that it is the same
to the byte.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunewright.audit.audited import audit_dataset
from tunewright.audit.sql import run_query
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.datagen import corpus, crosscheck, dataset_plan, generate, program, synthesize, toolbox

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
CORES = 2
LIMITS = {800: 45, 10_000: 600}  # seconds on two cores, by examples


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


def main() -> int:
    """Print what was measured; exit 1 when the data are not what is promised."""
    parser = argparse.ArgumentParser(description="How fast examples are made, and where the time goes.")
    parser.add_argument("--examples", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--offered",
        type=float,
        nargs="?",
        const=1.0,
        default=0.0,
        help="share that lists the tools to choose from",
    )
    parser.add_argument("--once", action="store_true", help="do not make it a second time")
    parser.add_argument("--keep", type=Path, help="a folder for the dataset")
    options = parser.parse_args()
    for name in TOOLS:
        setattr(toolbox.Toolbox, name, timed(f"tool {name}", getattr(toolbox.Toolbox, name)))
    crosscheck.Jedi.ask = timed("jedi's second opinion", crosscheck.Jedi.ask)
    program.Sandbox.run = timed("programs, tools included", program.Sandbox.run)
    synthesize.sites_of = timed("sites in the corpora", synthesize.sites_of)
    dataset_plan.installed_corpus = timed("reading the corpora", corpus.installed_corpus)

    recipe = load_recipe("tiny", ROOT)
    half = options.examples // 2
    changes = {"navigation": half, "other": options.examples - half, "offered": options.offered}
    # A list of tools needs more room than the tiny model's window has.
    train = recipe.train.model_copy(update={"max_seq_length": 4096} if options.offered else {})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update=changes), "train": train})

    def make(folder: Path) -> tuple[DatasetManifest, float]:
        start = time.perf_counter()
        return generate.generate_dataset(recipe, folder, options.seed, root=ROOT), time.perf_counter() - start

    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.keep or Path(temporary, "made")
        before = sum(os.times()[:4])
        made, seconds = make(folder)
        cpu = sum(os.times()[:4]) - before
        rows = [
            json.loads(line)
            for split in made.splits.values()
            for line in (folder / split.file).read_text(encoding="utf-8").splitlines()
        ]
        fast = tell_speed(rows, made, seconds, cpu, LIMITS.get(options.examples))
        kept = tell_audit(folder, recipe) and fast
        if not options.once:
            again, seconds = make(Path(temporary, "again"))
            hashes = [{name: split.sha256 for name, split in m.splits.items()} for m in (made, again)]
            same = hashes[0] == hashes[1]
            print(f"made again in {seconds:.1f} s: {'the same bytes' if same else 'OTHER BYTES'}")
            kept = kept and same
    return 0 if kept else 1


def tell_speed(rows: list[Any], made: DatasetManifest, seconds: float, cpu: float, limit: int | None) -> bool:
    """Examples a second, the stages, and what is rejected; whether it took no longer than it may."""
    print(f"{len(rows)} examples in {seconds:.1f} s: {len(rows) / seconds:.1f} a second")
    print(
        f"CPU {cpu:.1f} s, {cpu / CORES:.1f} s on {CORES} cores{f' (at most {limit})' if limit else ''}; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    for stage, total in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {stage:<28} {total:7.1f} s in {calls[stage]:>6} calls")
    rejected = sum(sum(entry["rejected"].values()) for entry in made.facts["ledger"].values())
    print(f"rejected candidates: {rejected} ({rejected / (rejected + len(rows)):.0%} of all)")
    families = Counter(row["meta"]["family"] for row in rows)
    words = sum("tool" not in row["meta"] for row in rows) - families["irrelevance"]
    print(
        f"irrelevance {families['irrelevance'] / len(rows):.1%}, other answers in words {words / len(rows):.1%}"
    )
    for threshold in (0.7, 0.8):
        near = NearDuplicates(threshold)
        kept = sum(
            near.add("\n".join(m["content"] for m in row["messages"] if m["role"] == "user")) for row in rows
        )
        print(f"kept by near-duplicate filtering at {threshold}: {kept / len(rows):.1%}")
    return limit is None or min(seconds, cpu / CORES) <= limit


def tell_audit(folder: Path, recipe: Recipe) -> bool:
    """What the audit says; whether it is what is promised."""
    report = audit_dataset([folder], recipe=recipe, suites=[ROOT / suite.path for suite in recipe.suites])
    found = Counter(finding.check for finding in report.findings for _ in range(finding.count))
    failed = [finding.check for finding in report.findings if finding.severity == "fail"]
    leaks = sum(count for check, count in found.items() if check.startswith(("split.leak", "split.suite")))
    gap = report.headline["structure_only"] - report.headline["majority"]
    calls = run_query("SELECT count(*) AS n FROM calls", [folder], None, "csv")
    print(f"audit: {report.verdict} (promised: pass); {len(failed)} faults {', '.join(failed)}")
    print(
        "  "
        f"structure only {report.headline['structure_only']:.1%}, majority {report.headline['majority']:.1%}, "
        f"request {report.headline['query_only']:.1%}"
    )
    print(
        f"  of {str(calls).split()[-1]} calls: {found['call.ungrounded']} with an argument from nowhere, "
        f"{found['call.result_mismatch']} with a count unlike its list; {leaks} rows leak"
    )
    for finding in report.findings:
        if finding.severity == "warn":
            print(f"  warning {finding.check} ({finding.split}): {finding.message}")
    return (
        report.verdict == "pass"
        and gap <= 0.02
        and not found["call.ungrounded"]
        and not found["call.result_mismatch"]
        and not leaks
    )


if __name__ == "__main__":
    sys.exit(main())
