"""The pinned environment on a host: locked requirements with hashes, and our own wheels.

It lives in `<root>/envs/<hash>/`, built next to its place and renamed into it, so that a folder of that name
is whole. The second time costs the reading of one small file.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tunewright.contract.errors import HostError
from tunewright.remote.bundle import REQUIREMENTS, Shipment, prepare_shipment
from tunewright.remote.host import Host, must, read_file
from tunewright.remote.host_facts import probe_host
from tunewright.remote.retry import persist
from tunewright.remote.transfer import link_blobs, put_blobs

PYTHONS = ">=3.11,<3.15"  # what the locked wheels exist for
MARKER = "environment.json"
# A bare SSH shell knows no company certificates but the system's; nothing is compiled on a host.
UV_SETTINGS = {"UV_SYSTEM_CERTS": "1", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
INSTALL_SECONDS = 1800
# Runs on the host in the new environment: import what was installed, say what it is, put it in its place. Several may
# run at once: each writes in its own folder alone, and renames.
_FINISH = """
import importlib.metadata as metadata, json, os, platform, shutil, sys
import tunewright.contract.run, tunewright.train
folder, final, value = sys.argv[1], sys.argv[2], {"schema": 1}
names = ("tunewright-train", "mlx", "mlx-lm", "numpy", "transformers")
value["versions"] = {"python": platform.python_version(), "platform": platform.platform()}
for name in names:
    try:
        value["versions"][name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
with open(os.path.join(folder, "environment.json"), "w") as file:
    json.dump(value, file)
    file.flush()
    os.fsync(file.fileno())
# For the machine's owner, by a name that stays.
command = os.path.join(folder, "tunewright-host")
with open(command, "w") as file:
    file.write(sys.argv[3])
os.chmod(command, 0o700)
os.rename(command, os.path.join(os.path.dirname(os.path.dirname(final)), "tunewright-host"))
try:
    os.rename(folder, final)
except OSError:
    if os.path.exists(os.path.join(final, "environment.json")):
        shutil.rmtree(folder, ignore_errors=True)  # somebody else was faster
    else:
        os.rename(final, folder + ".damaged")
        os.rename(folder, final)
        shutil.rmtree(folder + ".damaged", ignore_errors=True)
with open(os.path.join(final, "environment.json")) as file:
    sys.stdout.write(file.read())
"""
HOST_COMMAND = """#!/bin/sh
# What runs on this machine, for its owner. Written by Tunewright when it installs an environment.
cd "$(dirname "$0")" || exit 1
newest=$(ls -t envs/*/environment.json 2>/dev/null | head -n 1)
[ -n "$newest" ] || { echo "no environment in $PWD/envs" >&2; exit 1; }
exec "$PWD/$(dirname "$newest")/venv/bin/python" -P -m tunewright.train.host_command --root "$PWD" "$@"
"""


@dataclass(frozen=True)
class Environment:
    """An installed environment. `python` is a path on the host."""

    hash: str
    python: str
    versions: dict[str, str] = field(default_factory=dict[str, str])


def environment_folder(host: Host, hash_: str) -> PurePosixPath:
    """Where a host keeps the environment of that hash."""
    return host.root / "envs" / hash_


def install_environment(host: Host, root: Path, report: Callable[[str], None]) -> Environment:
    """Make sure that the host has the environment of the checkout at `root`; fast when it has.

    Safe to interrupt, to repeat, and to do twice at once. Raises HostError with what is missing on the host.
    """
    shipment = prepare_shipment(root, report)
    return persist(lambda: _install(host, shipment, report), report)


def installed_environment(host: Host, root: Path, report: Callable[[str], None]) -> Environment | None:
    """The environment of the checkout at `root` when the host has it. Changes nothing there."""
    hash_ = prepare_shipment(root, report).hash
    return _read(host, environment_folder(host, hash_), hash_)


def _install(host: Host, shipment: Shipment, report: Callable[[str], None]) -> Environment:
    final = environment_folder(host, shipment.hash)
    if (ready := _read(host, final, shipment.hash)) is not None:
        return ready
    facts = probe_host(host)
    if facts.uv is None:
        raise HostError(
            f"{host.name}: no uv on the host",
            "Install it there: https://docs.astral.sh/uv/getting-started/installation/ (on a Mac: brew install uv).",
        )
    report(f"installing the environment on {host.name}")
    put_blobs(
        host, {sha256: shipment.folder / name for name, sha256 in sorted(shipment.files.items())}, report
    )
    folder = final.with_name(f".{shipment.hash[:16]}.{secrets.token_hex(4)}")
    try:
        return _build(host, facts.uv, facts.python, folder, final, shipment, report)
    except BaseException:
        _remove(host, folder)
        raise


def _build(
    host: Host,
    uv: PurePosixPath,
    python: PurePosixPath | None,
    folder: PurePosixPath,
    final: PurePosixPath,
    shipment: Shipment,
    report: Callable[[str], None],
) -> Environment:
    link_blobs(host, [(sha256, folder / "shipped" / name) for name, sha256 in shipment.files.items()])
    venv = folder / "venv"
    inside = str(venv / "bin" / "python")
    shipped = folder / "shipped"
    steps = [
        ["venv", "--relocatable", "--no-project", "--python", str(python or PYTHONS), str(venv)],
        [
            *("pip", "sync", "--python", inside, "--require-hashes", "--no-build"),
            str(shipped / REQUIREMENTS),
        ],
        ["pip", "install", "--python", inside, "--no-deps", "--no-index"]
        + [str(shipped / wheel) for wheel in shipment.wheels],
    ]
    for step in steps:
        done = host.run(
            [str(uv), *step],
            env=UV_SETTINGS,
            timeout=INSTALL_SECONDS,
            on_line=lambda line: (
                report(f"  {line}") if line.startswith(("Downloading", "Prepared")) else None
            ),
        )
        if done.code:
            raise _explain(host, step[:2], done.stderr.decode(errors="replace"))
    done = must(
        host.run([inside, "-P", "-c", _FINISH, str(folder), str(final), HOST_COMMAND], timeout=300),
        f"{host.name}: the installed environment does not start",
        "See `./inv host.check`; on Linux mlx needs glibc 2.35 and a CPU of the last ten years.",
    )
    if (ready := _read(host, final, shipment.hash)) is None:
        raise HostError(f"{host.name}: {final} is not there after installing ({done.text[-200:]})")
    report(f"installed the environment {shipment.hash[:12]}")
    return ready


def _read(host: Host, folder: PurePosixPath, hash_: str) -> Environment | None:
    data = read_file(host, folder / MARKER)
    if data is None:
        return None
    try:
        versions = json.loads(data)["versions"]
        return Environment(
            hash_, str(folder / "venv" / "bin" / "python"), {str(k): str(v) for k, v in versions.items()}
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # damaged: it is built again


def _remove(host: Host, folder: PurePosixPath) -> None:
    try:
        host.run(["/bin/rm", "-rf", "--", str(folder)])
    except HostError:
        return  # what stays behind has a hidden name, and `clean` removes it


def failure_reason(said: str) -> str:
    """The line of uv's standard error that says why it failed."""
    lines = [line.strip(" ×╰─▶├│") for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower() or "failed" in line.lower()), "") or (
        lines[-1] if lines else "no reason given"
    )


def _explain(host: Host, step: list[str], said: str) -> HostError:
    reason, low = failure_reason(said), said.lower()
    if "no space" in low or "os error 28" in low:
        hint = "The host's disk is full: make room, or `./inv clean --host NAME`."
    elif "unknownissuer" in low or "certificate" in low:
        hint = (
            "The host does not trust the package index's certificate: add your company's to its system store."
        )
    elif "dns" in low or "connect" in low or "timed out" in low or "failed to fetch" in low:
        hint = "The host needs a package index: internet, or an index in its ~/.config/uv/uv.toml."
    elif "no interpreter found" in low or "python" in step[0]:
        hint = "Install Python 3.11 or later on the host: uv python install 3.12"
    else:
        hint = "Fix it on the host, then run the same command again."
    return HostError(f"{host.name}: uv {' '.join(step)} failed: {reason}", hint)
