"""A clean clone with an empty home: what a new user has."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.new_user import DefaultRun, Inv, clone, environment


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone shared by the tests of a session."""
    return clone(tmp_path_factory.mktemp("clone") / "tunewright")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def default_run(checkout: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DefaultRun]:
    """`./inv train --recipe tiny` as a new user has it."""
    run = DefaultRun.start(checkout, home, tmp_path_factory.mktemp("default-run") / "said.txt")
    yield run
    run.stop()


@pytest.fixture(scope="session", autouse=True)
def early(request: pytest.FixtureRequest) -> DefaultRun | None:
    """The default run, begun before the first test where one of those that were collected is about it."""
    about = any("default_run" in getattr(item, "fixturenames", ()) for item in request.session.items)
    return request.getfixturevalue("default_run") if about else None


@pytest.fixture
def idle_host(early: DefaultRun | None) -> None:
    """This machine as a host that has ended the default run: it works on one at a time."""
    if early is not None:
        early.process.wait(840)


@pytest.fixture(scope="session")
def inv(checkout: Path, home: Path) -> Inv:
    """Run `./inv` in the clone. What it trains here is too small to gain by a second process; the default run has two."""

    def run(*arguments: str, timeout: float = 600, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(checkout / "inv"), *arguments],
            cwd=checkout, env={**environment(home), "TUNEWRIGHT_RANKS": "1", **extra}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip

    return run
