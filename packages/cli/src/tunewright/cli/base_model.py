"""The one place where a recipe's hub repository becomes a commit: out of its lock, or asked of the hub and written there."""

from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.invoke_program import ROOT
from tunewright.contract.base_lock import BaseLock, lock_path, read_lock, write_lock
from tunewright.contract.console import Progress, say
from tunewright.contract.recipe import Recipe, load_recipe, recipe_path, with_revision

if TYPE_CHECKING:
    from tunewright.remote.environment import Environment
    from tunewright.remote.host import Host

MEGABYTE = 1_000_000


def pinned_recipe(name: str) -> tuple[Recipe, BaseLock | None]:
    """The recipe of that name with its base pinned, and what that base consists of; None for one that is on no hub.

    For a commit that the recipe itself names, the lock has no files. Raises UserError when there is no lock yet and
    the hub cannot be asked.
    """
    recipe = load_recipe(name, ROOT)
    if not recipe.model.on_hub:
        return recipe, None
    base, path = recipe.model.base, lock_path(recipe_path(name, ROOT))
    lock = read_lock(path, base)
    if recipe.model.revision:
        own = BaseLock(schema=1, repository=base, revision=recipe.model.revision)
        return recipe, lock if lock and lock.revision == own.revision else own
    lock = lock_base(base, path)
    return with_revision(recipe, lock.revision), lock


def lock_base(repository: str, path: Path) -> BaseLock:
    """Ask the hub what a repository holds now, and write it to the lock at `path`."""
    from tunewright.contract.errors import UserError
    from tunewright.contract.hub import resolve_base

    try:
        lock = resolve_base(repository)
    except UserError as error:
        raise UserError(
            f"{path} is not there yet, and {error.message}",
            f"{error.hint} The lock is written once the hub was asked; or name the commit in the recipe: model.revision.",
        ) from error
    write_lock(path, lock)
    say(f"base      {lock.repository} is commit {lock.revision[:12]} from now on: {path} keeps it")
    return lock


def bring_base(host: "Host", environment: "Environment", lock: BaseLock | None) -> int:
    """Bring a base to a host from the hub, unless it is there; the bytes fetched. Raises HostError."""
    from tunewright.remote.fetch import fetch_base

    if lock is None:
        return 0
    show = Progress("fetch")
    return fetch_base(
        host,
        environment,
        lock,
        say,
        lambda done, total: show(f"MB of {lock.repository}:", done // MEGABYTE, total // MEGABYTE),
    )
