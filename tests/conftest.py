"""Settings for every test."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.new_user import DefaultRun

# No deadline: a loaded machine makes an example slow, which says nothing about the code; pytest's own time
# limit still ends what hangs. Derandomized, so that a failure is the same failure everywhere.
settings.register_profile("tunewright", deadline=None, derandomize=True)
settings.load_profile("tunewright")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that wait for the default run come last, in their random order: else all others wait with them."""
    items.sort(key=asks_for_the_default_run)


def asks_for_the_default_run(item: pytest.Item) -> bool:
    return "trained" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def default_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DefaultRun | None]:
    """`./inv train` as a new user has it, where a test asks for it: it takes minutes, and starts before the first test.

    The other tests mostly wait for something; beside them it costs half of its time.
    """
    if not any(map(asks_for_the_default_run, request.session.items)):
        yield None
        return
    run = DefaultRun.start(tmp_path_factory.mktemp("default-run"))
    yield run
    run.stop()
