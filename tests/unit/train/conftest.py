"""A random tiny model and a handful of conversations, made once for the session."""

from pathlib import Path

import pytest

from tests.support.conversations import conversation
from tests.support.random_qwen3 import write_model
from tunewright.contract.example import Example
from tunewright.train.base import Base, Loaded, load_base


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Qwen3 of random weights."""
    return write_model(tmp_path_factory.mktemp("models") / "random")


@pytest.fixture
def base(random_model: Path) -> Base:
    return Base(random_model, "identity", "float32")


@pytest.fixture
def loaded(base: Base) -> Loaded:
    """A fresh copy of the random model in memory."""
    return load_base(base)


@pytest.fixture
def examples() -> list[Example]:
    return [conversation(number) for number in range(24)]
