"""The main job as a new user meets it: a fresh clone, an empty home, an empty package cache.

Runs `./inv train` twice and prints how long each took, and what came out. The claims, on two cores with OpenBLAS:
at most 12 minutes the first time, installation included, and at most 9 the second time. So that the second
time measures the work and not the reuse of finished stages, it is done with `--fresh`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST, SECOND = 720.0, 540.0  # seconds claimed


def train(clone: Path, home: Path, *flags: str) -> tuple[float, int]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UV_", "VIRTUAL_ENV", "TUNEWRIGHT_")) and name not in {"UV", "PYTHONPATH"}
    }
    environment = {**kept, "HOME": str(home), "UV_CACHE_DIR": str(home / "cache")}
    started = time.monotonic()
    done = subprocess.run([str(clone / "inv"), "train", *flags], cwd=clone, env=environment, check=False)
    return time.monotonic() - started, done.returncode


def print_scores(run: Path) -> None:
    for path in sorted(run.glob("scores/*/*.json")):
        overall = json.loads(path.read_text())["metrics"]["overall"]
        print(f"  {path.parent.name:<10} {path.stem:<14} {overall['k']} of {overall['n']}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        clone, home = Path(name) / "tunewright", Path(name) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        first, first_code = train(clone, home)
        second, second_code = train(clone, home, "--fresh")
        print_scores(max((clone / "runs").iterdir()))
    print(
        f"first  ./inv train          {first:6.0f} s, exit code {first_code} (claimed: at most {FIRST:.0f} s)"
    )
    print(
        f"second ./inv train --fresh  {second:6.0f} s, exit code {second_code} (claimed: at most {SECOND:.0f} s)"
    )
    # 3: the gates of the small model are undecided, which is a verdict and no fault of the job.
    judged = {first_code, second_code} <= {0, 3}
    sys.exit(first > FIRST or second > SECOND or not judged)


if __name__ == "__main__":
    main()
