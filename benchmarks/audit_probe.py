"""Do the audit's thresholds say what a model learns? The audit's effect next to the probe's, over planted shortcuts.

    python benchmarks/audit_probe.py [--keep FOLDER] [--strengths 0,0.25,0.5,0.75,1]

In the generated dataset of the default recipe a part of the structure goes with the tool, in a share of the rows: navigation
rows lose their system message, or rows of the other tools get an earlier exchange that navigation rows never have. Each
dataset is audited, and the small model of `./inv probe` is trained on it and asked with that part changed. About two minutes
of one core a dataset; a finished probe is kept in FOLDER (default `.tunewright/audit-probe`).

Claimed: without a planted shortcut neither accuses; at full strength both do; and whatever the probe shows to be learned,
the audit has found.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

from shortcut import Row, navigates, read_rows

from tunewright.audit.audited import audit_dataset
from tunewright.chat.resample_structure import exchange_of, has_earlier
from tunewright.cli.pipeline import DEFAULT_RECIPE, WORK
from tunewright.contract.atomic import write_jsonl
from tunewright.contract.console import Progress
from tunewright.contract.intervals import wilson_interval
from tunewright.contract.recipe import load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).resolve().parents[1]
# What the audit may call each planted part.
FEATURES = {
    "has_system": {"has_system", "system_text", "system_length"},
    "earlier_turns": {"earlier_turns", "roles_before", "messages_before"},
}


def without_system(row: Row) -> Row:
    return {**row, "messages": [m for m in row["messages"] if m["role"] != "system"]}


def without_earlier(row: Row) -> Row:
    """Without the exchange in words at the beginning of the row, where there is one."""
    if not has_earlier(row["messages"]):
        return row
    start = 1 if row["messages"][0]["role"] == "system" else 0
    return {**row, "messages": [*row["messages"][:start], *row["messages"][start + 2 :]]}


def with_earlier(row: Row, exchange: list[dict[str, str]]) -> Row:
    row = without_earlier(row)
    start = 1 if row["messages"][0]["role"] == "system" else 0
    return {**row, "messages": [*row["messages"][:start], *exchange, *row["messages"][start:]]}


def planted(rows: list[Row], feature: str, strength: float) -> list[Row]:
    """The rows, with `feature` going with the kind of tool in a share `strength` of the rows concerned."""
    random = Random(f"{feature} {len(rows)}")
    exchanges = [exchange for row in rows if (exchange := exchange_of(row))]
    made: list[Row] = []
    for row in rows:
        hit, exchange = random.random() < strength, random.choice(exchanges)
        if hit and feature == "has_system":
            row = without_system(row) if navigates(row) else row
        elif hit:
            row = without_earlier(row) if navigates(row) else with_earlier(row, exchange)
        made.append(row)
    return made


def audit(folder: Path, feature: str) -> tuple[str, float]:
    """What the audit makes of the planted part: the worst severity, and the largest effect that it reports."""
    order = ("", "info", "warn", "fail")
    worst, effect = "", 0.0
    for finding in audit_dataset([folder]).to_json()["findings"]:
        if finding["check"] == "shortcut.feature" and finding["feature"] in FEATURES[feature]:
            worst = max(worst, finding["severity"], key=order.index)
            effect = max(effect, abs(finding["effect"]))
    return worst, effect


def probe(folder: Path, kept: Path) -> dict[str, Any]:
    if not kept.is_file():
        line = [str(ROOT / "inv"), "probe", "--data", str(folder), "--json", str(kept)]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        if not kept.is_file():
            sys.exit(f"the probe of {folder} ended with {done.returncode}: {done.stderr}")
    return json.loads(kept.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", type=Path, default=WORK / "audit-probe")
    parser.add_argument("--strengths", default="0,0.25,0.5,0.75,1")
    options = parser.parse_args()
    strengths = sorted(float(text) for text in options.strengths.split(","))
    generated = options.keep / "generated"
    if not generated.exists():
        recipe = load_recipe(DEFAULT_RECIPE, ROOT)
        generate_dataset(recipe, generated, None, Progress("data"), root=ROOT)
    print(
        f"{'planted':16}{'strength':>9}  {'audit':7}{'effect':>7}   {'as the data lead':22}{'noise':>6}  probe"
    )
    wrong: list[str] = []
    for feature in FEATURES:
        for strength in strengths:
            folder = options.keep / f"{feature}-{strength:g}"
            for split in ("train", "valid"):
                rows = planted(read_rows(generated / f"{split}.jsonl"), feature, strength)
                write_jsonl(folder / f"{split}.jsonl", rows)
            severity, effect = audit(folder, feature)
            value = probe(folder, options.keep / f"{feature}-{strength:g}.json")
            flip = next((f for f in value["flips"] if f["feature"] == feature), None)
            decides = feature in value["decides"]
            if flip is None:
                led = "not asked"
            else:
                low, high = wilson_interval(round(flip["led"] * flip["n"]), flip["n"])
                led = f"{flip['led']:.0%} ({low:.0%} to {high:.0%})"
            noise = f"{value['control']['changed']:.0%}"
            verdict = "decides" if decides else value["verdict"]
            print(
                f"{feature:16}{strength:>9.0%}  {severity or 'none':7}{effect:>7.2f}   {led:22}{noise:>6}  {verdict}",
                flush=True,
            )
            accused = severity in ("warn", "fail")
            name = f"{feature} at {strength:.0%}"
            if strength == 0 and (accused or decides):
                wrong.append(f"{name}: accused, though nothing is planted")
            if strength == 1 and not (severity == "fail" and decides):
                wrong.append(f"{name}: not found by both")
            if decides and not accused:
                wrong.append(f"{name}: the model learned it and the audit says nothing")
    print()
    for text in wrong:
        print(f"BROKEN  {text}")
    if not wrong:
        print(
            "kept    neither accuses clean data, both find a full shortcut, and the audit misses nothing that was learned"
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
