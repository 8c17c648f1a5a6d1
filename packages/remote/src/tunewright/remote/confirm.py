"""What a host says to a run's results on this machine, and to the model that it holds: is it still what was made?"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from tunewright.contract.atomic import sha256_bytes
from tunewright.contract.manifest import MANIFEST, Manifest, read_manifest
from tunewright.contract.run import RunFolder
from tunewright.contract.run_manifest import manifest_name, model_hash
from tunewright.remote.host import Host, must, read_file
from tunewright.remote.transfer import whole_files
from tunewright.remote.worker_client import find_on_host


@dataclass(frozen=True)
class Confirmation:
    """`said` is for the record; `problems` say what differs, one line each. `model_sha256` is of a model that only the
    host has."""

    said: str
    problems: tuple[str, ...] = ()
    model_sha256: str = ""


def confirm_run(host: Host, run: RunFolder) -> Confirmation:
    """Compare a run's manifest with the host's own, and verify the model there when it is not here.

    Raises UserError when nobody knows where on the host the run is, HostError when the host cannot be asked.
    """
    place = find_on_host(host, run)
    theirs = read_file(host, place.there(MANIFEST))
    problems: list[str] = []
    if theirs is None:
        said = f"{host.name} does not have the run any more"
    elif run.manifest.is_file() and run.manifest.read_bytes() == theirs:
        said = f"{host.name} has the same run"
    else:
        said = f"{host.name} has another run of this name"
        problems.append(f"{MANIFEST} is not the one that {host.name} wrote")
    if run.stage("quantize").exists():
        return Confirmation(said, tuple(problems))
    sealed = read_manifest(run.path)
    entry = sealed.files.get(manifest_name(run, "quantize")) if sealed else None
    model, changed = model_on(host, place.there("quantize"), entry.sha256 if entry else "")
    return Confirmation(said, (*problems, *changed), model_hash(model) if model else "")


def model_on(host: Host, folder: PurePosixPath, sha256: str = "") -> tuple[Manifest | None, list[str]]:
    """The manifest of a model's folder on a host, and what differs from it; every file is hashed there.

    `sha256` is what the manifest itself has to hash to, where that is known. Raises HostError.
    """
    data = read_file(host, folder / MANIFEST)
    if data is None:
        return None, [f"{folder.name} is not on {host.name}, and not here"]
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError:
        return None, [f"{folder.name}/{MANIFEST} on {host.name} cannot be read"]
    problems: list[str] = []
    if sha256 and sha256_bytes(data) != sha256:
        problems.append(f"{folder.name}/{MANIFEST} on {host.name} was changed after the run")
    names = list(manifest.files)
    whole = whole_files(host, [(manifest.files[name].sha256, folder / name) for name in names])
    problems += [
        f"{folder.name}/{name} on {host.name} was changed after the run"
        for name, same in zip(names, whole, strict=True)
        if not same
    ]
    listed = must(
        host.run(["/usr/bin/find", str(folder), "!", "-type", "d"]), f"{host.name}: cannot list {folder}"
    )
    there = {line.removeprefix(f"{folder}/") for line in listed.text.splitlines()}
    strangers = sorted(there - {*names, MANIFEST})
    return manifest, problems + [
        f"{folder.name}/{name} on {host.name} was added after the run" for name in strangers
    ]
