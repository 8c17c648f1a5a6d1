"""How long an audit takes, against one plain `json.loads` pass over the same file in the same run.

    python benchmarks/audit_speed.py [--rows 200000] [--syntax openai|code_mode|sharegpt|mixed] [--keep FILE]

Rows have five messages, three offered tools and about 2.4 kB: 200,000 are 480 MB. Of `mixed` half of the rows have their
calls as `tool_calls`, half as text in DIALECTS, in turn. Each measurement is a process of its own, so that its memory is
its own; the audit runs every check that needs no tokenizer. The memory and the CPU time of its helpers are added. 1,000
rows are timed from the command `./inv audit` to its end.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PASS = """
import json, sys, time
start = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    count = sum(1 for line in file if json.loads(line))
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time(), "rows": count}))
"""
AUDIT = """
import time
start = time.perf_counter()
import json, resource, sys
from pathlib import Path
from tunewright.audit.audited import audit_dataset
from tunewright.audit.helpers import Helpers
from tunewright.audit.terminal_report import terminal_text
helping = []
leave = Helpers.__exit__
def watched(self, *error):
    # Their own high water mark: that of children begins with what this process had when they were started.
    for pid in self.running:
        status = Path(f"/proc/{pid}/status")
        found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
        helping.extend(int(line.split()[1]) * 1024 for line in found)
    leave(self, *error)
Helpers.__exit__ = watched
report = audit_dataset([Path(sys.argv[1])])
terminal_text(report)
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
peak += sum(helping)
seconds = time.perf_counter() - start
helped = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = time.process_time() + helped.ru_utime + helped.ru_stime
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "verdict": report.verdict}))
"""
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
TOOLS = ("search_code", "read_file", "run_tests")
# How models write a call of NAME with a query Q and a limit of 10, by their public chat templates.
DIALECTS = {
    "hermes_json": '<tool_call>\n{"name": "NAME", "arguments": {"query": "Q", "limit": 10}}\n</tool_call>',
    "qwen_xml": "<tool_call>\n<function=NAME>\n<parameter=query>\nQ\n</parameter>\n<parameter=limit>\n10\n</parameter>\n"
    "</function>\n</tool_call>",
    "mistral": '[TOOL_CALLS] [{"name": "NAME", "arguments": {"query": "Q", "limit": 10}}]',
    "llama_json": '{"name": "NAME", "parameters": {"query": "Q", "limit": 10}}',
    "pythonic": '[NAME(query="Q", limit=10)]',
    "function_tag": '<function=NAME>{"query": "Q", "limit": 10}</function>',
    "deepseek_v31": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>"
    '{"query": "Q", "limit": 10}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    "code_mode": '<tool_call><function=execute_code>\n<parameter=code>\nfound = NAME(query="Q", limit=10)\n'
    "for item in found.items:\n    print(item.file)\n</parameter>\n</function></tool_call>",
}


def write_rows(path: Path, rows: int, syntax: str) -> None:
    """Conversations of five messages: nothing in their structure says which tool is called."""
    generator = random.Random(20261123)
    words = [
        "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randint(3, 9)))
        for _ in range(20_000)
    ]

    def text(count: int) -> str:
        return " ".join(generator.choices(words, k=count))

    properties = {
        "query": {"type": "string", "description": text(9)},
        "limit": {"type": "integer", "description": text(6)},
    }
    schema = {"type": "object", "properties": properties, "required": ["query"]}
    tools = [
        {"type": "function", "function": {"name": t, "description": text(14), "parameters": schema}}
        for t in TOOLS
    ]
    system = "You are a coding assistant. " + text(14)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            tool, wanted = generator.choice(TOOLS), text(3)
            answer: dict[str, Any]
            if syntax == "openai" or (syntax == "mixed" and number % 2):
                function = {"name": tool, "arguments": json.dumps({"query": wanted, "limit": 10})}
                call = {"id": "call_1", "type": "function", "function": function}
                answer = {"role": "assistant", "content": None, "tool_calls": [call]}
            else:
                dialect = list(DIALECTS)[number // 2 % len(DIALECTS)] if syntax == "mixed" else "code_mode"
                call = DIALECTS[dialect].replace("NAME", tool).replace("Q", wanted)
                answer = {"role": "assistant", "content": call}
            messages: list[dict[str, Any]] = [
                {"role": "system", "content": system},
                {"role": "user", "content": f"{text(26)} {wanted}"},
                answer,
                {"role": "tool", "tool_call_id": "call_1", "content": text(45)},
                {"role": "assistant", "content": text(25)},
            ]
            shuffled = generator.sample(tools, len(tools)) if generator.random() < 0.1 else tools
            row: dict[str, Any] = {"messages": messages, "tools": shuffled}
            if syntax == "sharegpt":
                said = [{"from": SHAREGPT[m["role"]], "value": m["content"]} for m in messages]
                row = {"conversations": said, "tools": json.dumps(shuffled)}
            file.write(json.dumps(row) + "\n")


def measure(code: str, path: Path) -> dict[str, Any]:
    """Run a measurement in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def from_command(path: Path) -> float:
    """Seconds from the command to its verdict, as a user has them."""
    command = [str(Path(__file__).parents[1] / "inv"), "audit", "--data", str(path)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return seconds


def main() -> int:
    """Print the table; exit 1 when a promise of the documentation is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--syntax", choices=("openai", "code_mode", "sharegpt", "mixed"), default="openai")
    parser.add_argument("--keep", type=Path, help="where the file is kept for another run")
    options = parser.parse_args()
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        path: Path = options.keep or Path(folder) / "rows.jsonl"
        if not path.exists():
            write_rows(path, options.rows, options.syntax)
        small = Path(folder) / "small.jsonl"
        with path.open("rb") as source:
            small.write_bytes(b"".join(line for _, line in zip(range(1000), source)))
        from_command(small)  # warms the disk's cache
        start = min(from_command(small) for _ in range(3))
        before = measure(PASS, path)
        audit = measure(AUDIT, path)
        plain = min(before, measure(PASS, path), key=lambda m: m["seconds"])
    ratio, memory = audit["seconds"] / plain["seconds"], audit["peak"] / 1e9
    # Other work on the machine slows both down, though not alike.
    print(f"load average before and after: {load[0]:.1f}, {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores")
    print(
        f"{'rows':>10}{'MB':>8}{'json.loads':>14}{'audit':>10}{'ratio':>8}{'CPU ratio':>11}{'peak GB':>9}{'1,000 rows':>12}"
    )
    megabytes = path.stat().st_size / 1e6 if path.exists() else options.rows * 2.4e-3
    print(
        f"{plain['rows']:>10,}{megabytes:>8.0f}{plain['seconds']:>12.1f} s{audit['seconds']:>8.1f} s{ratio:>8.1f}"
        f"{audit['cpu'] / plain['cpu']:>11.1f}{memory:>9.2f}{start:>10.2f} s"
    )
    promises = {"5 times": ratio <= 5, "3 GB": memory <= 3, "1.5 s": start < 1.5}
    print(
        "Promised at most:",
        ", ".join(f"{name} {'kept' if kept else 'BROKEN'}" for name, kept in promises.items()),
    )
    return 0 if all(promises.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
