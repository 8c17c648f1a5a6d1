"""What goes onto a host: the locked requirements with their hashes, and the wheels of our own packages.

In a checkout it is built once for a state of the sources and kept; when nothing changed it is found by one hash of them.
The wheels of a release have it in them.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunewright.contract.atomic import atomic_folder, sha256_file, sha256_json
from tunewright.contract.embedded import PACKAGED, PackagedModel
from tunewright.contract.errors import UserError
from tunewright.contract.manifest import damaged_files, read_manifest, write_manifest

PACKAGES = ("contract", "train")
REQUIREMENTS = "requirements.txt"
LOCK = "uv.lock"
INSTALL_RELEASE = "Install wheels that the task `wheels` of a checkout has built, or work in a checkout."
SHIPPED = Path(__file__).parent / "shipment"  # in a release's wheel alone: `./inv wheels` puts it there
# Wheels are zip files with times in them; one fixed time makes the same source the same wheel.
EPOCH = "315532800"
_BUILDING = threading.Lock()  # what several hosts need is built once


@dataclass(frozen=True)
class Shipment:
    """Files that make an environment. `hash` is over their contents alone.

    `folder` also has the lock that they come from, which no host gets.
    """

    hash: str
    folder: Path
    files: dict[str, str]  # name -> sha256

    @property
    def wheels(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if name.endswith(".whl"))

    @property
    def trainer(self) -> Path:
        """The wheel of tunewright-train."""
        return self.folder / next(name for name in self.wheels if name.startswith("tunewright_train-"))

    @property
    def lock(self) -> Path:
        """The lock that the requirements come from."""
        return self.folder / LOCK


def prepare_shipment(root: Path, report: Callable[[str], None]) -> Shipment:
    """What a host gets: built from the sources of the checkout at `root` when it was not before, or else, where `root` is no
    checkout, what the installed wheel has.

    Raises UserError when uv is missing or the lock does not fit the packages, and for an installed copy without a whole one.
    """
    return _built_shipment(root, report) if is_checkout(root) else installed_shipment()


def require_shipment(root: Path) -> None:
    """Raise UserError where `prepare_shipment` could not succeed, before anything else is done."""
    if not is_checkout(root):
        installed_shipment()


def is_checkout(root: Path) -> bool:
    """Whether the sources of what a host gets are in `root`."""
    return all((root / "packages" / package / "pyproject.toml").is_file() for package in PACKAGES)


def installed_shipment() -> Shipment:
    """The shipment in the installed wheel, verified file by file. Raises UserError when it is not there or not whole."""
    if not SHIPPED.exists():
        raise UserError(
            "this copy of Tunewright was built without what a host gets",
            INSTALL_RELEASE,
        )
    if (shipment := _read_shipment(SHIPPED)) is None:
        raise UserError(f"{SHIPPED} is damaged", "Install Tunewright again.")
    return shipment


def _built_shipment(root: Path, report: Callable[[str], None]) -> Shipment:
    key = source_hash(root)
    folder = root / ".tunewright" / "shipments" / key
    with _BUILDING:
        if read_manifest(folder) is None:
            report("building the host's packages")
            _build(root, folder, key)
    if (shipment := _read_shipment(folder)) is None:
        raise UserError(f"{folder} is damaged", f"Remove it: rm -r {folder}")
    return shipment


def _read_shipment(folder: Path) -> Shipment | None:
    """The shipment in a folder; None when a file of it is missing or is not what the manifest says."""
    manifest = read_manifest(folder)
    if manifest is None or damaged_files(folder, manifest):
        return None
    files = {name: entry.sha256 for name, entry in manifest.files.items() if name != LOCK}
    shipment = Shipment(sha256_json(files), folder, files)
    wanted = {LOCK, REQUIREMENTS, *map(group_file, PACKAGED.values())}
    built = sorted(name.split("-")[0] for name in shipment.wheels)
    whole = wanted <= set(manifest.files) and built == [f"tunewright_{package}" for package in PACKAGES]
    return shipment if whole else None


def group_file(model: PackagedModel) -> str:
    """The name of the shipped file that names a packaged model's package and its hashes."""
    return f"{model.group}.txt"


def source_hash(root: Path) -> str:
    """A hash of everything that decides the shipment: the lock, the packages' sources, and which files it has."""
    names = {"format": "2"}
    try:
        names[LOCK] = sha256_file(root / LOCK)
        for package in PACKAGES:
            base = root / "packages" / package
            names[f"{package}/pyproject.toml"] = sha256_file(base / "pyproject.toml")
            for folder, below, files in os.walk(base / "src"):
                below[:] = [name for name in below if name != "__pycache__"]
                for file in files:
                    path = Path(folder, file)
                    names[path.relative_to(root).as_posix()] = sha256_file(path)
    except OSError as error:
        raise UserError(
            f"{error.filename}: {error.strerror}",
            "A host's environment is built from the lock and sources of a checkout: clone Tunewright, and work in it.",
        ) from error
    return sha256_json(names)


def _build(root: Path, folder: Path, key: str) -> None:
    uv = find_uv(root)
    try:
        with atomic_folder(folder) as temporary:
            flags = ["--locked", "--no-emit-workspace", "--no-header", "--no-annotate", "--quiet"]
            exported = run_uv([uv, "export", *flags, "--no-dev", "--package", "tunewright-train"], root)
            (temporary / REQUIREMENTS).write_bytes(exported)
            shutil.copyfile(root / LOCK, temporary / LOCK)
            for model in PACKAGED.values():
                group = run_uv([uv, "export", *flags, "--only-group", model.group], root)
                (temporary / group_file(model)).write_bytes(group)
            for package in PACKAGES:
                out = ["--out-dir", str(temporary), "--no-create-gitignore", "--quiet"]
                run_uv([uv, "build", "--wheel", "--package", f"tunewright-{package}", *out], root)
            write_manifest(temporary, key)
    except FileExistsError:
        return  # somebody else built the same meanwhile
    except OSError as error:
        if not read_manifest(folder):
            raise UserError(f"{folder}: {error.strerror}", "Is the disk full?") from error


def find_uv(root: Path) -> str:
    """The uv of this machine: the one that runs us, or in PATH, or in the checkout. Raises UserError."""
    own = root / ".tools" / "bin" / "uv"
    found = os.environ.get("UV") or shutil.which("uv") or (str(own) if own.is_file() else None)
    if found is None:
        raise UserError("no uv on this machine", "Start through ./inv, which brings it.")
    return found


def run_uv(command: Sequence[str], root: Path) -> bytes:
    """What uv prints, run in `root` so that the same sources give the same wheels. Raises UserError when it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment |= {"SOURCE_DATE_EPOCH": EPOCH, "UV_SYSTEM_CERTS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False, timeout=600)
    if done.returncode:
        said = [
            line.strip()
            for line in done.stderr.decode(errors="replace").splitlines()
            if line.startswith("error") or "lockfile" in line
        ]
        raise UserError(
            f"uv {command[1]} failed: {said[0] if said else 'exit code ' + str(done.returncode)}",
            "If pyproject.toml changed, bring the lock up to date: uv lock",
        )
    return done.stdout
