"""Settings for every test."""

import os
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tunewright.train.blas import packaged_blas

E2E = "tests/e2e/"

# No deadline: a loaded machine makes an example slow, which says nothing about the code; pytest's own time
# limit still ends what hangs. Derandomized, so that a failure is the same failure everywhere.
settings.register_profile("tunewright", deadline=None, derandomize=True)
settings.load_profile("tunewright")

# A second process gives the same bytes, which test_train_worker.py shows with one and with two, and costs another start of
# mlx in every test that trains.
os.environ.setdefault("TUNEWRIGHT_RANKS", "1")


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that run tests compute with OpenBLAS, as every worker does; mlx's own takes twice the time.

    A library can only be preloaded by whoever starts a process. What tests start themselves does not inherit it.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.pop("LD_PRELOAD", None)
    elif getattr(config.option, "numprocesses", None) and (blas := packaged_blas()):
        os.environ |= {"LD_PRELOAD": blas.library, "OPENBLAS_NUM_THREADS": "1"}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end tests come first, because they take longest: those about the default run when it has had time to end,
    and those that need its host behind them. Then files with slow tests, and those of the audit, of which each takes about
    half a second, so that short files are left to share out at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        used: Sequence[str] = getattr(item, "fixturenames", ())
        if "checkout" in used and "home" in used:
            return 1 if "trained" in used else 2 if "idle_host" in used else 0
        return 3 if item.path in slow else 4 if "audit" in item.path.parts else 5

    items.sort(key=place)


class Scheduling(LoadFileScheduling):
    """The tests of a file run in one worker, which they share what they set up in; those in the clean clone too."""

    def _split_scope(self, nodeid: str) -> str:
        return E2E if nodeid.startswith(E2E) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)
