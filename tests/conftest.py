"""Settings for every test."""

import os

import pytest
from hypothesis import settings

# No deadline: a loaded machine makes an example slow, which says nothing about the code; pytest's own time
# limit still ends what hangs. Derandomized, so that a failure is the same failure everywhere.
settings.register_profile("tunewright", deadline=None, derandomize=True)
settings.load_profile("tunewright")

# A second process gives the same bytes, which test_train_worker.py shows with one and with two, and costs another start of
# mlx in every test that trains.
os.environ.setdefault("TUNEWRIGHT_RANKS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the default run come first, because one worker waits for it while the others test; then the files with
    slow tests, so that short ones are left to share out at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        if "trained" in getattr(item, "fixturenames", ()):
            return 0
        return 1 if item.path in slow else 2

    items.sort(key=place)
