"""Settings for every test."""

import pytest
from hypothesis import settings

# No deadline: a loaded machine makes an example slow, which says nothing about the code; pytest's own time
# limit still ends what hangs. Derandomized, so that a failure is the same failure everywhere.
settings.register_profile("tunewright", deadline=None, derandomize=True)
settings.load_profile("tunewright")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the default run come first: one worker waits for it while the others test."""
    items.sort(key=lambda item: "trained" not in getattr(item, "fixturenames", ()))
