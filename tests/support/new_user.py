"""What a new user has: a clean clone, an empty home, and the README's first command running in it."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A recipe that goes the whole way in seconds; what it reaches is not judged.
QUICK = """
schema = 1
name = "quick"
seed = 7

[model]
base = "embedded:tiny"
dtype = "float32"

[data]
tools = ["goto_definition", "find_references", "typecheck", "ruff_check", "pytest_run", "read_file", "write_file",
    "run_command"]
navigation = 120
other = 120

[train]
steps = 24
batch_size = 4
learning_rate = 2e-3
warmup = 2
max_seq_length = 512
rank = 8
scale = 2.0
layers = -1
keys = ["self_attn.q_proj", "self_attn.v_proj"]
checkpoint_every = 4
validate_every = 12

[predict]
models = ["base", "quantized"]
max_tokens = 8
batch_size = 32

[[suites]]
path = "suites/navigation.jsonl"
subset = "quick"

[[gates]]
metric = "fidelity"
target = 0.5

[pull]
models = true
"""

Inv = Callable[..., subprocess.CompletedProcess[str]]


def clone(target: Path) -> Path:
    """A copy of the files that git tracks or would track, as a repository of its own."""
    target.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
            copy.chmod(source.stat().st_mode)
    (target / "recipes" / "quick.toml").write_text(QUICK)
    return target


def environment(home: Path) -> dict[str, str]:
    """The environment of a new user: an empty home, nothing of this test run's, uv's cache kept to save downloads."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TUNEWRIGHT_", "PYTEST", "COV_", "UV_", "VIRTUAL_ENV"))
        and name not in {"UV", "PYTHONPATH"}
    }
    cache = (
        os.environ.get("UV_CACHE_DIR")
        or subprocess.run(
            [os.environ.get("UV", "uv"), "cache", "dir"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    return {**kept, "HOME": str(home), "UV_CACHE_DIR": cache, "NO_COLOR": "1"}


@dataclass(frozen=True)
class DefaultRun:
    """`./inv train --recipe tiny` in a clean clone, under way: the default recipe's job on a model that takes minutes."""

    checkout: Path
    home: Path
    process: subprocess.Popen[bytes]
    said: Path

    @classmethod
    def start(cls, checkout: Path, home: Path, said: Path) -> "DefaultRun":
        """Start it in a clone; `said` is the file for what it prints."""
        with said.open("wb") as file:
            process = subprocess.Popen(
                [str(checkout / "inv"), "train", "--recipe", "tiny"],
                cwd=checkout, env=environment(home), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return cls(checkout, home, process, said)

    def finished(self, timeout: float) -> str:
        """What it printed. Raises AssertionError when it did not come to a verdict, or found the model worse than its base.

        Whether the small model passes is no matter of the code: its gates may say that chance explains the difference.
        """
        code = self.process.wait(timeout)
        text = self.said.read_text()
        assert code in (0, 3), text[-6000:]
        return text

    def stop(self) -> None:
        """End it where it is not finished, and what it started in the background."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            subprocess.run(
                [str(self.checkout / "inv"), "cancel"],
                cwd=self.checkout, env=environment(self.home), capture_output=True, timeout=60, check=False,
            )  # fmt: skip
