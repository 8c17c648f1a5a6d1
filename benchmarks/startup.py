"""How long `--list` and every `--help` take, against bare `invoke --list`, in one run.

Prints the median of each and the worst ratio; the claim is a ratio below 1.5.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BARE = 'from invoke import task\n\n\n@task\ndef hello(c):\n    """Say hello."""\n'
REPEATS = 7


def seconds(command: list[str], cwd: Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=cwd, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name)
        (bare / "tasks.py").write_text(BARE)
        invoke = [sys.executable, "-m", "invoke", "--list"]
        ours = str(ROOT / "inv")
        listing = subprocess.run(
            [ours, "--list"], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
        tasks = [line.split()[0] for line in listing.splitlines()[2:] if line[:2] == "  " and line[2] != " "]
        commands = {"--list": [ours, "--list"]} | {f"{task} --help": [ours, task, "--help"] for task in tasks}
        times: dict[str, list[float]] = {"bare": [], **{label: [] for label in commands}}
        # Interleaved, so that a slow moment of the machine falls on all alike.
        for _ in range(REPEATS):
            times["bare"].append(seconds(invoke, bare))
            for label, command in commands.items():
                times[label].append(seconds(command, ROOT))
    base = statistics.median(times.pop("bare"))
    print(f"{'bare invoke --list':<24} {base * 1000:6.0f} ms")
    worst = 0.0
    for label, taken in times.items():
        ratio = statistics.median(taken) / base
        worst = max(worst, ratio)
        print(f"{'./inv ' + label:<24} {statistics.median(taken) * 1000:6.0f} ms   {ratio:.2f}x")
    print(f"worst ratio {worst:.2f} (claimed: below 1.5)")
    sys.exit(worst >= 1.5)


if __name__ == "__main__":
    main()
