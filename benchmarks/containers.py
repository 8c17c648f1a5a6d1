"""Do the two container images work together? Builds both, audits in the laptop's, trains across them over SSH.

    python benchmarks/containers.py [--base IMAGE] [--tag NAME]

Needs root, buildah and mmdebstrap, and Debian's and Python's package indexes. Without `--base` a minimal Debian is made with
mmdebstrap. The images are those of `./inv image`; buildah runs them with chroot isolation, where both share this machine's
network. About ten minutes, most of them downloads.

Behind a proxy with a certificate of its own, put that into infra/certificates first.

Claimed: both images build; neither runs as root; the audit in the laptop's image fails biased data; the worker refuses a
laptop that has no key for it; `./inv train --host worker` trains on the worker and pulls the results.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = "/home/tunewright"
USER = 1000
QUICK = {"steps = \\d+": "steps = 12", "navigation = \\d+": "navigation = 40", "other = \\d+": "other = 40"}


def run(*line: str | Path, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, line)), capture_output=True, text=True, check=False, timeout=timeout, cwd=ROOT
    )


def need(done: subprocess.CompletedProcess[str], what: str) -> str:
    if done.returncode:
        sys.exit(f"{what} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def make_base(folder: Path) -> str:
    archive, name = folder / "base.tar", "localhost/tunewright-base"
    need(run("mmdebstrap", "--variant=minbase", "bookworm", archive), "mmdebstrap")
    (folder / "Base").write_text("FROM scratch\nADD base.tar /\n")
    line = ("buildah", "build", "--isolation", "chroot", "--tag", name, "--file", folder / "Base", folder)
    need(run(*line), "the base image")
    return name


class Container:
    """A container of an image, with folders of this machine mounted into it."""

    def __init__(self, image: str, mounts: dict[Path, str]) -> None:
        self.name = need(run("buildah", "from", image), f"a container of {image}").strip()
        self._line = ["buildah", "run", "--isolation", "chroot", "--user", "tunewright"]
        self._line += ["--workingdir", f"{HOME}/tunewright"]
        for folder, at in mounts.items():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chown(folder, USER, USER)
            self._line += ["--volume", f"{folder}:{HOME}/{at}"]

    def run(self, *command: str, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        return run(*self._line, self.name, "--", *command, timeout=timeout)

    def start(self, *command: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
        settings = [part for key, value in env.items() for part in ("--env", f"{key}={value}")]
        return subprocess.Popen([*self._line, *settings, self.name, "--", *command], start_new_session=True)

    def remove(self) -> None:
        run("buildah", "rm", self.name)


def biased(path: Path) -> None:
    """Rows whose tool goes with the system message."""
    rows: list[str] = []
    for number in range(200):
        tool = ("where_is", "who_calls")[number % 2]
        call = {
            "id": "1",
            "type": "function",
            "function": {"name": tool, "arguments": f'{{"x": "n{number}"}}'},
        }
        said = [
            *([{"role": "system", "content": "You help a programmer."}] if number % 2 else []),
            {"role": "user", "content": f"Look at n{number}, please, in file {number * 7}"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ]
        rows.append(json.dumps({"messages": said}))
    path.write_text("\n".join(rows) + "\n")


def quick_recipe() -> str:
    text = (ROOT / "recipes" / "tiny.toml").read_text()
    for pattern, value in QUICK.items():
        text, changed = re.subn(f"(?m)^{pattern}", value, text)
        assert changed, pattern
    return re.sub(r"(?m)^(checkpoint|validate)_every = \d+", r"\1_every = 6", text)


def together(folder: Path, tag: str) -> dict[str, bool]:
    claims: dict[str, bool] = {}
    ssh = folder / "ssh"
    worker = Container(
        f"{tag}-worker", {ssh: ".ssh", folder / "key": "host-key", folder / "host": "tunewright"}
    )
    laptop = Container(
        tag, {ssh: ".ssh", folder / "data": "tunewright/data", folder / "runs": "tunewright/runs"}
    )
    stranger = Container(tag, {folder / "other-ssh": ".ssh"})
    server = worker.start("sh", "/opt/tunewright/worker.sh", env={"TUNEWRIGHT_WORKER": "127.0.0.1"})
    try:
        until = time.monotonic() + 60
        while not (ssh / "config").exists() and time.monotonic() < until:
            time.sleep(0.2)
        claims["neither runs as root"] = all(
            box.run("id", "-u").stdout.strip() == str(USER) for box in (worker, laptop)
        )
        biased(folder / "data" / "mine.jsonl")
        (folder / "data" / "quick.toml").write_text(quick_recipe())
        audited = laptop.run("./inv", "audit", "--data", "data/mine.jsonl")
        claims["the audit in the laptop's image fails biased data, and names the system message"] = (
            audited.returncode == 1 and "system message" in audited.stdout
        )
        for name in ("config", "known_hosts"):
            shutil.copy(ssh / name, folder / "other-ssh" / name)
            os.chown(folder / "other-ssh" / name, USER, USER)
        refused = stranger.run("./inv", "host.check", "--host", "worker")
        claims["a laptop without the key is refused"] = refused.returncode == 4
        trained = laptop.run("./inv", "train", "--host", "worker", "--recipe", "data/quick.toml")
        print(trained.stdout[-3000:] + trained.stderr[-1500:])
        verdicts = list((folder / "runs").glob("*/scores/verdict.json"))
        on_host = list((folder / "host").glob("runs/*"))
        # The gates are not met after twelve steps: that is exit code 1, and the run is whole all the same.
        claims["train --host worker trains there, pulls and scores"] = (
            trained.returncode in (0, 1, 3) and len(verdicts) == 1 and len(on_host) == 1
        )
    finally:
        server.terminate()
        server.wait(30)
        for box in (worker, laptop, stranger):
            box.remove()
    return claims


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default="", help="a base image with apt")
    parser.add_argument("--tag", default="localhost/tunewright")
    options = parser.parse_args()
    if os.geteuid() or not shutil.which("buildah") or not (options.base or shutil.which("mmdebstrap")):
        print("not measured: this needs root, buildah and mmdebstrap")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the containers' user reads below it
        base, began = options.base or make_base(folder), time.monotonic()
        need(run(ROOT / "inv", "image", "--base", base, "--tag", options.tag), "./inv image")
        print(f"both images built in {time.monotonic() - began:.0f} s")
        claims = {"both images build": True, **together(folder, options.tag)}
    for claim, holds in claims.items():
        print(f"{'kept  ' if holds else 'BROKEN'}  {claim}")
    return 0 if all(claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
