"""A small generated dataset, made once for all tests that read it."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tunewright.contract.recipe import Recipe, load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).parents[2]


def small_recipe(navigation: int = 24, other: int = 24) -> Recipe:
    """The tiny recipe with fewer examples, a quarter of them for valid."""
    recipe = load_recipe("tiny", ROOT)
    data = recipe.data.model_copy(update={"navigation": navigation, "other": other, "valid": 0.25})
    return recipe.model_copy(update={"data": data})


@functools.cache
def small_dataset() -> Path:
    """A folder with train.jsonl, valid.jsonl and dataset.json; nobody may write in it."""
    folder = Path(tempfile.mkdtemp(prefix="tunewright-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    generate_dataset(small_recipe(), folder / "small", root=ROOT)
    return folder / "small"
