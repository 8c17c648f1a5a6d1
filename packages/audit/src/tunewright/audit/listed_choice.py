"""How likely each tool is to be called when nothing but the list of offered tools is known.

Among the tools that a row offers each is chosen in proportion to a weight of its own (Luce, "Individual Choice Behavior",
1959). Weights are the maximum likelihood's, found by Hunter's iteration ("MM algorithms for generalized Bradley-Terry
models", 2004). Whether a row calls anything is as likely as everywhere.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import duckdb

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
ROUNDS = 30
MOST_CELLS = 40_000_000  # lists times tools; beyond that tools count as offered to all


@dataclass(frozen=True)
class ListedChoice:
    """By list, the first of which is none and leaves every tool open, how likely each class is."""

    names: tuple[str, ...]  # the classes: tools, and what begins with "(" and is none
    shares: Floats  # of each class among all rows
    weights: Floats
    offers: NDArray[np.bool_]  # whether a list (down) offers a class (across)
    sums: Floats  # of the weights of each list

    def chance(self, name: str) -> Floats:
        """The chance of one class, for every list."""
        place = self.names.index(name)
        if name.startswith("("):
            return np.full(len(self.offers), self.shares[place])
        calls = 1 - sum(share for other, share in zip(self.names, self.shares) if other.startswith("("))
        return np.where(self.offers[:, place], calls * self.weights[place] / np.maximum(self.sums, 1e-300), 0)

    def chances(self) -> Floats:
        """Lists down, classes across."""
        return np.stack([self.chance(name) for name in self.names], axis=1)

    def possible(self) -> NDArray[np.bool_]:
        """Whether a list leaves a class open: lists down, classes across."""
        return self.offers | np.array([name.startswith("(") for name in self.names])


def fit_choice(
    names: tuple[str, ...], labels: Codes, lists: Codes, offered: list[tuple[int, str]]
) -> ListedChoice:
    """Fit the weights to rows with these labels (places in `names`) and lists; `offered` are pairs of list and tool."""
    count = 1 + max((number for number, _ in offered), default=0)
    is_tool = np.array([not name.startswith("(") for name in names])
    if count * len(names) > MOST_CELLS:
        lists, offered, count = np.zeros_like(lists), [], 1
    places = {name: place for place, name in enumerate(names)}
    offers = np.zeros((count, len(names)), dtype=np.bool_)
    offers[0] = is_tool
    pairs = [(number, places[kind]) for number, kind in offered if kind in places]
    offers[[number for number, _ in pairs], [place for _, place in pairs]] = True
    counted = is_tool[labels] & offers[lists, labels]
    called = np.bincount(labels[counted], minlength=len(names)).astype(np.float64)
    calls_of_list = np.bincount(lists[counted], minlength=count).astype(np.float64)
    seen = np.flatnonzero(calls_of_list)
    member, calls_seen = offers[seen].astype(np.float64), calls_of_list[seen]
    weights: Floats = (called > 0).astype(np.float64) / max(1, int((called > 0).sum()))
    for _ in range(ROUNDS if len(seen) > 1 else 1):
        shared = member.T @ (calls_seen / np.maximum(member @ weights, 1e-300))
        fresh = np.where(called > 0, called / np.maximum(shared, 1e-300), 0.0)
        fresh /= max(float(fresh.sum()), 1e-300)
        done = float(np.abs(fresh - weights).max()) < 1e-6
        weights = fresh
        if done:
            break
    shares = np.bincount(labels, minlength=len(names)) / max(1, len(labels))
    return ListedChoice(names, shares, weights, offers, offers.astype(np.float64) @ weights)


def offered_kinds(connection: "duckdb.DuckDBPyConnection") -> list[tuple[int, str]]:
    """The number of every list that a row has, and the tools that it offers, by their own names."""
    return connection.execute("SELECT DISTINCT list, kind FROM offered JOIN lists USING (toolset)").fetchall()
