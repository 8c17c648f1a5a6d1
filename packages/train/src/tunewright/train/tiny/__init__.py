"""The tiny base model that ships with the package: the base of recipes/tiny.toml and of tests.

Importing this module loads no numerical library; `model_folder` is all that a plan needs.
"""

from __future__ import annotations

from pathlib import Path


def model_folder() -> Path:
    """The folder of the shipped model, as `mlx_lm.load` takes it."""
    return Path(__file__).resolve().parent / "model"
