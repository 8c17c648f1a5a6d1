"""A small generated dataset, made once for all tests that read it, in whichever worker they run."""

import fcntl
import functools
from pathlib import Path

from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).parents[2]


def small_recipe(navigation: int = 24, other: int = 24) -> Recipe:
    """The tiny recipe with fewer examples, a quarter of them for valid."""
    recipe = load_recipe("tiny", ROOT)
    data = recipe.data.model_copy(update={"navigation": navigation, "other": other, "valid": 0.25})
    return recipe.model_copy(update={"data": data})


class Shared:
    """`folder` is the one that all workers of a test run have in common; tests/integration/conftest.py says which."""

    folder = Path()


@functools.cache
def small_dataset() -> Path:
    """A folder with train.jsonl, valid.jsonl and dataset.json; nobody may write in it. The first who asks makes it."""
    with (Shared.folder / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        generate_dataset(
            small_recipe(), Shared.folder / "small", root=ROOT
        )  # what is finished is found again
    return Shared.folder / "small"
