"""A folder to work in for an installed copy: the recipes and suites, which are the user's to change."""

import os
import shutil
from pathlib import Path

from invoke.context import Context

from tunewright.cli.invoke_program import IN_CHECKOUT, command

STARTER = Path(__file__).parent / "starter"  # `./inv wheels` puts recipes and suites next to its README


@command(folder="the folder to make; it must not exist")
def new(c: Context, folder: str) -> None:
    """Make a folder with the recipes and suites, for a copy that was installed from wheels."""
    from tunewright.contract.console import spelled
    from tunewright.contract.errors import UserError

    if IN_CHECKOUT:
        raise UserError(
            "a checkout has recipes and suites already",
            "Work in it with ./inv. This task is for a copy that was installed from wheels.",
        )
    make_project(Path(folder), STARTER)
    print(
        spelled(f"made {folder} with recipes and suites; next: cd {folder}, then ./inv plan and ./inv train")
    )


def make_project(folder: Path, starter: Path) -> None:
    """Copy what a project begins with, with the commands in its pages as the user types them.

    Raises UserError when the folder exists or cannot be made, and when the copy of Tunewright has nothing to put there.
    """
    from tunewright.contract.atomic import atomic_folder
    from tunewright.contract.console import spelled
    from tunewright.contract.errors import UserError
    from tunewright.remote.bundle import INSTALL_RELEASE

    if not (starter / "recipes").is_dir():
        raise UserError(
            "this copy of Tunewright was built without recipes and suites",
            INSTALL_RELEASE,
        )
    try:
        with atomic_folder(folder) as temporary:
            shutil.copytree(starter, temporary, dirs_exist_ok=True)
            for page in temporary.rglob("*.md"):
                page.write_text(spelled(page.read_text(encoding="utf-8")), encoding="utf-8")
    except OSError as error:
        if os.path.lexists(folder):
            raise UserError(
                f"{folder} exists, and nothing in it was changed", "Name a new folder."
            ) from error
        raise UserError(
            f"{folder} cannot be made ({error.strerror})", "Name a folder in a place where you may write."
        ) from error
