"""How often the whole audit finds a shortcut in datasets with lists of tools that have none.

    python benchmarks/audit_clean.py [--datasets 300]

Each dataset is a file of OpenAI rows, audited as a user would. The tool is drawn first, then everything else without looking
at it: how many tools are offered beside it, in which order, how many turns of small talk stand before the request, whether
there is a system message. Popular and rare tools, sets of one size or of many, sets that belong to a domain: what a list
makes impossible by definition must not be taken for a shortcut. In every fourth dataset the right tool is put first, to
see that it is found.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from tunewright.audit.audited import audit_dataset

NOUNS = [
    "river",
    "copper",
    "winter",
    "garden",
    "paper",
    "signal",
    "window",
    "market",
    "bridge",
    "pepper",
    "engine",
    "violin",
    "harbour",
    "lantern",
]
VERBS = [
    "check",
    "find",
    "open",
    "move",
    "count",
    "measure",
    "send",
    "order",
    "book",
    "convert",
    "plan",
    "watch",
    "draw",
    "sort",
]
TOOLS = [f"{verb}_{noun}" for verb, noun in zip(VERBS, NOUNS)]
TALK = ("Good morning!", "Hi there.", "Are you there?", "I need some help.")


def make(kind: str, rows: int, planted: bool, random: Random) -> list[dict[str, Any]]:
    """Rows of one dataset. `kind` is how the lists are drawn: sizes, one size, or domains of three or four tools."""
    weights = [random.choice((1, 1, 2, 4)) for _ in TOOLS]
    domains = [TOOLS[:3], TOOLS[3:7], TOOLS[7:10], TOOLS[10:]]
    made: list[dict[str, Any]] = []
    for _ in range(rows):
        tool = random.choices(TOOLS, weights)[0]
        if kind == "domains":
            offered = list(next(domain for domain in domains if tool in domain))
        else:
            size = random.randint(1, 5) if kind == "sizes" else 4
            offered = [tool, *random.sample([other for other in TOOLS if other != tool], size - 1)]
        random.shuffle(offered)
        if planted:
            offered.sort(key=lambda name: name != tool)
        direct = random.random() < 0.2
        words = tool.replace("_", " ") if not direct else "explain"
        about = (
            f"{random.choice(NOUNS)}{random.randint(1, 999)} and {random.choice(NOUNS)} {random.random():.6f}"
        )
        request = f"Please {words} {about}"
        messages: list[dict[str, Any]] = []
        if random.random() < 0.6:
            messages.append({"role": "system", "content": "You are a helpful assistant."})
        if random.random() < 0.3:
            messages += [
                {"role": "user", "content": random.choice(TALK)},
                {"role": "assistant", "content": "How can I help?"},
            ]
        messages.append({"role": "user", "content": request})
        if direct:
            messages.append({"role": "assistant", "content": "It depends on what you mean by that."})
        else:
            call = {"name": tool, "arguments": json.dumps({"text": request.split()[-1]})}
            messages.append(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": "1", "type": "function", "function": call}],
                }
            )
        made.append({"messages": messages, "tools": [listed(name) for name in offered]})
    return made


def listed(name: str) -> dict[str, Any]:
    """A tool as rows list it."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    described = f"To {name.replace('_', ' a ')}."
    return {"type": "function", "function": {"name": name, "description": described, "parameters": schema}}


def main() -> int:
    """Print how often each check spoke; exit 1 when the promise of the documentation is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--datasets", type=int, default=300, help="clean datasets; a third as many are not")
    options = parser.parse_args()
    random, start = Random(20261127), time.perf_counter()
    spoke: Counter[str] = Counter()
    alarms = failing = found = planted = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        for number in range(options.datasets + options.datasets // 3):
            is_planted = number % 4 == 3
            kind = ("sizes", "one size", "domains")[number % 3]
            rows = make(kind, (200, 400, 800)[number // 3 % 3], is_planted, random)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            judged = [
                finding
                for finding in audit_dataset([path]).findings
                if finding.check.startswith("shortcut.") and finding.severity != "info"
            ]
            if is_planted:
                planted += 1
                found += any(finding.check == "shortcut.tool_position" for finding in judged)
                continue
            alarms += bool(judged)
            failing += any(finding.severity == "fail" for finding in judged)
            spoke.update(f"{finding.check} ({kind}, {len(rows)})" for finding in judged)
    clean = options.datasets + options.datasets // 3 - planted
    print(
        f"False alarms: {alarms} of {clean} clean datasets with lists of tools, {failing} of them graded fail"
    )
    for name, count in spoke.most_common():
        print(f"  {name}: {count}")
    print(f"The right tool put first: found in {found} of {planted}")
    print(f"({time.perf_counter() - start:.0f} s)")
    kept = alarms <= 0.01 * clean and found >= 0.95 * planted
    print("Promised: at most 1% false alarms, 95% of the right tool put first:", "kept" if kept else "BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
