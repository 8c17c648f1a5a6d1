"""The wheels of a release: those of `uv build`, with what an installed copy needs and a plain one has in its checkout."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tunewright.cli.new_project import STARTER
from tunewright.contract.errors import UserError


def build_wheels(root: Path, out: Path, report: Callable[[str], None]) -> list[Path]:
    """Build all packages of the checkout at `root` into `out`. remote's wheel gets the shipment for hosts, cli's the recipes
    and suites that git tracks: others there are the user's own.

    They are put into a copy of the sources, so that the checkout stays as it is. Raises UserError when git or uv fails.
    """
    from tunewright.remote.bundle import SHIPPED, find_uv, prepare_shipment, run_uv

    shipment = prepare_shipment(root, report)
    files = tracked_files(root, "recipes", "suites")
    report("building the wheels")
    with tempfile.TemporaryDirectory(prefix="tunewright-") as folder:
        copy, built = Path(folder, "sources"), Path(folder, "wheels")
        shutil.copytree(root / "packages", copy / "packages", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "uv.lock"):
            shutil.copyfile(root / name, copy / name)
        shutil.copytree(shipment.folder, _package(copy, "remote") / SHIPPED.name)
        for name in files:
            target = _package(copy, "cli") / STARTER.name / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target)
        flags = ["--all-packages", "--wheel", "--no-create-gitignore", "--quiet"]
        run_uv([find_uv(root), "build", *flags, "--out-dir", str(built)], copy)
        try:
            out.mkdir(parents=True, exist_ok=True)
            return [Path(shutil.copy(wheel, out)) for wheel in sorted(built.iterdir())]
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}", "Name another folder: --out") from error


def tracked_files(root: Path, *folders: str) -> list[str]:
    """The files in folders of the checkout that git tracks, with slashes. Raises UserError without git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--", *folders],
            capture_output=True,
            text=True,
            check=False,
        )
        listed = done.stdout
    except OSError:
        listed = ""
    found = [name for name in listed.split("\0") if name and (root / name).is_file()]
    if not found:  # no git, no clone, or one that lies inside another repository
        raise UserError(
            f"git does not say which files of {root} belong to a release",
            "Install git, and build the wheels in a clone.",
        )
    return found


def _package(root: Path, name: str) -> Path:
    return root / "packages" / name / "src" / "tunewright" / name
