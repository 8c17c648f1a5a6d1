"""A clean clone with an empty home: what a new user has."""

import subprocess
from pathlib import Path

import pytest

from tests.support.new_user import DefaultRun, Inv, clone, environment


@pytest.fixture(scope="session")
def checkout(default_run: DefaultRun | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone shared by the tests of a session."""
    return default_run.checkout if default_run else clone(tmp_path_factory.mktemp("clone") / "tunewright")


@pytest.fixture(scope="session")
def home(default_run: DefaultRun | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder."""
    return default_run.home if default_run else tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def inv(checkout: Path, home: Path) -> Inv:
    """Run `./inv` in the clone."""

    def run(*arguments: str, timeout: float = 600, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(checkout / "inv"), *arguments],
            cwd=checkout, env={**environment(home), **extra}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip

    return run
