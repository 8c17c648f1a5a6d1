"""Does a real model learn structure instead of the request? SmolLM2-135M trained on biased data, and on four repairs.

    python benchmarks/shortcut.py [--seeds 1,2,3] [--arms LIST] [--keep FOLDER] [--plot FILE.svg]

The generated dataset of the default recipe is biased as in the story: navigation rows (goto_definition, find_references)
lose their system message, their further turns and the words before their call; all other rows keep theirs. Then:

    biased       these rows
    hint         the same model, told in its prompt which tools navigate
    contrastive  the biased rows, 40 navigation and 40 other requests also shown in the structure of the other kind
    normalized   the biased rows after `./inv data.normalize`
    no insertion biased, with a chat template that writes no system message of its own where a row has none

Each is trained by LoRA for 60 steps of 4, with several seeds, and asked 80 requests of the suites (32 for navigation, 48
for six other tools; no repository of theirs is in training), with the suites' system message and without one. An answer is
right when the first tool it calls is the right one. What the audit and the small model of `./inv probe` say of the same
rows is printed next to it. A finished training is kept in FOLDER (default `.tunewright/shortcut`) and not done again. About
10 minutes of one core a training.

Claimed: the audit fails the biased rows and not the normalized ones; taking the system message away changes the tool of
the biased rows' model more often than that of the normalized rows' model; asked with the system message, the latter is right
more often about navigation. The last two by intervals that do not overlap.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tunewright.audit.audited import audit_dataset
from tunewright.chat.normalize import normalize_dataset
from tunewright.cli.local_worker import Told, ask_local_worker
from tunewright.cli.pipeline import DEFAULT_RECIPE, WORK
from tunewright.contract.atomic import sha256_json, write_json, write_jsonl
from tunewright.contract.console import Progress
from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.contract.suite import read_suite
from tunewright.datagen.generate import generate_dataset
from tunewright.eval.statistics import Proportion

ROOT = Path(__file__).resolve().parents[1]
NAVIGATION = ("goto_definition", "find_references")
OTHERS = ("typecheck", "ruff_check", "pytest_run", "read_file", "write_file", "run_command")
TOOL = re.compile(rf"\b({'|'.join(NAVIGATION + OTHERS)})\b\s*\(")
CODE = "<tool_call>"
PAIRS = 40
STEPS = 60
LONGEST = 72  # tokens of an answer: enough for some words and the first call
HINT = (
    " Use goto_definition to find where something is defined, and find_references to find where it is used."
)
INSERTED = re.compile(
    r"{% if loop\.first and messages\[0\]\['role'\] != 'system' %}.*?{% endif %}", re.DOTALL
)
TRAINED = ("biased", "normalized", "contrastive", "no insertion")
WAYS = ("with", "without", "hint")

Row = dict[str, Any]


def navigates(row: Row) -> bool:
    return row["meta"]["source"] == "navigation"


def bare(row: Row) -> Row:
    """The row without system message, further turns and words before the call: one request and its first answer."""
    said = [m for m in row["messages"] if m["role"] != "system"]
    at = next(
        (n for n, m in enumerate(said) if m["role"] == "assistant" and CODE in m["content"]), len(said) - 1
    )
    request = next(m for m in reversed(said[:at]) if m["role"] == "user")
    answer = said[at]["content"]
    return {
        **row,
        "messages": [request, {"role": "assistant", "content": answer[max(0, answer.find(CODE)) :]}],
    }


def with_system(row: Row, system: str) -> Row:
    return {**row, "messages": [{"role": "system", "content": system}, *row["messages"]]}


def biased(rows: Iterable[Row]) -> list[Row]:
    return [bare(row) if navigates(row) else row for row in rows]


def contrastive(rows: Sequence[Row], system: str) -> list[Row]:
    """The biased rows, and some of each kind also in the other kind's structure."""
    drawn = Random(f"pairs {len(rows)}")
    of_kind = [[row for row in rows if navigates(row) is kind] for kind in (True, False)]
    navigation, others = (drawn.sample(kind, min(PAIRS, len(kind))) for kind in of_kind)
    return [*rows, *(with_system(row, system) for row in navigation), *(bare(row) for row in others)]


def write_arms(folder: Path, recipe: Recipe) -> dict[str, Path]:
    """The dataset of each arm; a folder that is there already holds the same rows."""
    own = folder / "generated"
    if not own.exists():
        generate_dataset(recipe, own, None, Progress("data"), root=ROOT)
    splits = {name: read_rows(own / f"{name}.jsonl") for name in ("train", "valid")}
    made: dict[str, Callable[[list[Row]], list[Row]]] = {
        "biased": biased,
        "contrastive": lambda rows: contrastive(biased(rows), recipe.data.system),
    }
    arms = {name: folder / name for name in made}
    for name, change in made.items():
        for split, rows in splits.items():
            write_jsonl(arms[name] / f"{split}.jsonl", change(rows))
    arms["normalized"] = folder / "normalized"
    if not arms["normalized"].exists():
        normalize_dataset(arms["biased"], arms["normalized"])
    return arms | {"no insertion": arms["biased"]}


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked_requests() -> list[tuple[str, str, list[dict[str, str]]]]:
    """Suite cases with one user turn and one right tool, as (case, tool, messages), the system message first."""
    found: list[tuple[str, str, list[dict[str, str]]]] = []
    for name, wanted in (("navigation", NAVIGATION), ("tools", OTHERS)):
        for case in read_suite(ROOT / "suites" / f"{name}.jsonl").cases:
            tools, roles = case.expect.tools or (), [message.role for message in case.messages]
            if len(tools) != 1 or tools[0] not in wanted or roles != ["system", "user"]:
                continue
            if name == "tools" or case.quick:
                messages = [{"role": message.role, "content": message.content} for message in case.messages]
                found.append((f"{name}/{case.id}", tools[0], messages))
    return found


def way(messages: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    """A request as it is asked: with its system message, without one, or with a hint in it."""
    if name == "without":
        return messages[1:]
    told = HINT if name == "hint" else ""
    return [{**messages[0], "content": messages[0]["content"] + told}, *messages[1:]]


def train_and_ask(arm: str, data: Path, seed: int, recipe: Recipe, base: Path) -> dict[str, Any]:
    """One training, and the tool that the model calls first for each request and way of asking; empty for none."""
    requests = asked_requests()
    ways = [name for name in WAYS if name != "hint" or arm == "biased"]
    settings = recipe.train.model_copy(
        update={"steps": STEPS, "checkpoint_every": STEPS, "validate_every": STEPS}
    )
    question = {
        "train": [{"messages": row["messages"]} for row in read_rows(data / "train.jsonl")],
        "valid": [{"messages": row["messages"]} for row in read_rows(data / "valid.jsonl")[:40]],
        "asked": [{"messages": way(messages, name)} for name in ways for _, _, messages in requests],
        "converted": str(WORK / "host" / "bases"),
        "settings": settings.model_dump(mode="json"),
        "model": {
            **recipe.model.model_dump(mode="json"),
            **({"base": str(base)} if arm == "no insertion" else {}),
        },
        "seed": seed,
        "longest": LONGEST,
    }
    answer = ask_local_worker("probe", question, Told(f"{arm} {seed}", "{}"), 4 * 3600.0, recipe.model.base)
    tools = [(TOOL.search(text) or [""])[0].rstrip("( ") for text in answer.pop("answers")]
    size = len(requests)
    return {
        "right": [tool for _, tool, _ in requests],
        "called": {name: tools[n * size : (n + 1) * size] for n, name in enumerate(ways)},
        **answer,
    }


def without_insertion(folder: Path) -> Path:
    """The base with a chat template that writes no system message where there is none."""
    made = next(path.parent for path in (WORK / "host" / "bases").glob("*/chat_template.jinja"))
    folder.mkdir(parents=True, exist_ok=True)
    for path in made.iterdir():
        target = folder / path.name
        if path.name == "chat_template.jinja":
            text, changed = INSERTED.subn("", path.read_text(encoding="utf-8"))
            assert changed == 1, "the base's template inserts nothing"
            target.write_text(text, encoding="utf-8")
        elif path.name != "manifest.json" and not target.exists():
            target.symlink_to(path)
    return folder


def audited(data: Path) -> str:
    """The audit's verdict and what it says is the cause, on one line."""
    report = audit_dataset([data]).to_json()
    cause = next((f["message"] for f in report["findings"] if f["severity"] == "fail"), "")
    return f"{report['verdict']}: {cause}" if cause else report["verdict"]


def probed(data: Path, out: Path) -> str:
    """What the small model of the probe does when a system message comes or goes."""
    if not out.is_file():
        subprocess.run(
            [str(ROOT / "inv"), "probe", "--data", str(data), "--json", str(out)],
            check=False,
            capture_output=True,
        )
    value = json.loads(out.read_text(encoding="utf-8"))
    flip = next((f for f in value["flips"] if f["feature"] == "has_system"), None)
    if flip is None:
        return value["verdict"]
    low, high = flip["low"], flip["high"]
    return (
        f"{value['verdict']}: tool changed in {flip['changed']:.0%} of {flip['n']} ({low:.0%} to {high:.0%})"
    )


def figures(results: Sequence[dict[str, Any]], name: str) -> dict[str, Proportion]:
    """Of one way of asking: right of navigation, right of the others, and changed against `with`.

    A request counts once, with the mean over the seeds: the same requests asked again are not further evidence.
    """
    right, tools, changed = [0, 0], [0, 0], 0
    for result in results:
        for wanted, called, usual in zip(result["right"], result["called"][name], result["called"]["with"]):
            kind = 0 if wanted in NAVIGATION else 1
            tools[kind] += 1
            right[kind] += called == wanted
            changed += called != usual
    seeds = len(results)
    return {
        "navigation": Proportion(right[0] / seeds, tools[0] // seeds),
        "others": Proportion(right[1] / seeds, tools[1] // seeds),
        "changed": Proportion(changed / seeds, sum(tools) // seeds),
    }


def plot(rows: Sequence[tuple[str, dict[str, Proportion], dict[str, Proportion]]]) -> str:
    """For each arm a bar with its interval: the share of requests whose tool changed without the system message.

    `rows` are the name and the figures with the system message and without it.
    """
    top, step, left, width = 62, 44, 150, 480
    bottom = top + step * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {bottom + 34}" '
        'font-family="system-ui, sans-serif" font-size="14">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<text x="16" y="28" font-size="16" font-weight="600">'
        "Requests whose tool changes when the system message is taken away</text>",
    ]
    for share in range(0, 101, 25):
        x = left + width * share / 100
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top - 10}" y2="{bottom}" stroke="#e4e6ea"/>')
        parts.append(f'<text x="{x}" y="{bottom + 20}" text-anchor="middle" fill="#555">{share} %</text>')
    for number, (name, usual, without) in enumerate(rows):
        y, share = top + step * number, without["changed"]
        low, high = (left + width * end for end in share.interval)
        right = ", ".join(
            f"{kind} {usual[kind].value:.0%} → {without[kind].value:.0%}" for kind in ("navigation", "others")
        )
        parts += [
            f'<text x="16" y="{y + 14}">{name}</text>',
            f'<rect x="{left}" y="{y}" width="{width * share.value:.1f}" height="18" fill="#2563a8"/>',
            f'<path d="M{low:.1f} {y + 9}H{high:.1f}M{low:.1f} {y + 4}v10M{high:.1f} {y + 4}v10" stroke="#111"/>',
            f'<text x="{left}" y="{y + 33}" font-size="12" fill="#555">right: {right}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", default="1,2,3", help="a list")
    parser.add_argument(
        "--arms", default=",".join(TRAINED), help="those to train and probe; what is kept is shown"
    )
    parser.add_argument("--keep", type=Path, default=WORK / "shortcut")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    recipe = load_recipe(DEFAULT_RECIPE, ROOT)
    arms = write_arms(options.keep / "data", recipe)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    results: dict[str, list[dict[str, Any]]] = {arm: [] for arm in TRAINED}
    for seed in seeds:
        for arm in TRAINED:
            data = arms[arm]
            rows = sha256_json([read_rows(data / f"{split}.jsonl") for split in ("train", "valid")])
            kept = options.keep / f"{arm.replace(' ', '-')}-{seed}-{STEPS}-{rows[:12]}.json"
            if not kept.is_file() and arm in options.arms.split(","):
                began = time.monotonic()
                base = without_insertion(options.keep / "base") if arm == "no insertion" else Path()
                write_json(kept, train_and_ask(arm, data, seed, recipe, base))
                print(f"{arm}, seed {seed}: {time.monotonic() - began:.0f} s", flush=True)
            if kept.is_file():
                results[arm].append(json.loads(kept.read_text(encoding="utf-8")))

    print(f"\n{'':14}{'asked':9}{'navigation right':26}{'others right':26}{'tool changed':24}loss")
    drawn: list[tuple[str, dict[str, Proportion], dict[str, Proportion]]] = []
    found: dict[tuple[str, str], dict[str, Proportion]] = {}
    for arm, of in results.items():
        for name in WAYS:
            if of and name in of[0]["called"]:
                found[arm, name] = figures(of, name)
                shares = [str(found[arm, name][key]) for key in ("navigation", "others", "changed")]
                loss = " ".join(f"{result['loss']:.2f}" for result in of)
                print(f"{arm:14}{name:9}{shares[0]:26}{shares[1]:26}{shares[2]:24}{loss}")
        if of:
            drawn.append((arm, found[arm, "with"], found[arm, "without"]))
    print(
        "\n`changed`: against the same request asked with the system message. The mean over the seeds, with 95 % intervals"
    )
    print("over requests (Wilson); of each seed, the share that changed without the system message:")
    for arm, of in results.items():
        shares = [f"{figures([result], 'without')['changed'].value:.0%}" for result in of]
        if shares:
            print(f"{arm:14}{' '.join(shares)}")
    print()
    verdicts: dict[str, str] = {}
    for arm in ("biased", "contrastive", "normalized"):
        verdicts[arm] = audited(arms[arm])
        print(f"{arm:12} audit  {verdicts[arm]}")
        if options.arms:
            print(f"{'':12} probe  {probed(arms[arm], options.keep / f'probe-{arm}.json')}", flush=True)
    if options.plot:
        options.plot.write_text(plot(drawn), encoding="utf-8")
    if not results["biased"] or not results["normalized"]:
        print("\nnothing is shown: no training of the biased and of the normalized rows is kept")
        return 1
    changed = [found[arm, "without"]["changed"] for arm in ("biased", "normalized")]
    right = [found[arm, "with"]["navigation"] for arm in ("biased", "normalized")]
    kept_claims = {
        "the audit fails the biased rows": verdicts["biased"].startswith("fail"),
        "the audit does not fail the normalized rows": not verdicts["normalized"].startswith("fail"),
        "the system message alone changes the tool less often after normalizing": (
            changed[0].interval[0] > changed[1].interval[1]
        ),
        "navigation is right more often after normalizing": right[1].interval[0] > right[0].interval[1],
    }
    print()
    for claim, holds in kept_claims.items():
        print(f"{'kept  ' if holds else 'BROKEN'}  {claim}")
    return 0 if all(kept_claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
