"""Three numbers on the same folds: how well the tool is predicted by nothing, by structure, and by the request.

Majority, structure alone, and the request's words alone. Where structure comes near the request, a model has a
choice of what to learn.
"""

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tunewright.audit.features import BEFORE
from tunewright.audit.shortcuts import FOLDS

SAMPLE = 5_000  # rows; more would not move the numbers by a percent
WORDS = 1 << 13  # hashed words and pairs of words

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Out-of-fold predictions of the tool by each of the three, and the truth, as class numbers."""

    truth: Codes
    majority: Codes
    structure: Codes
    query: Codes
    clusters: Codes

    def accuracies(self) -> dict[str, float]:
        """Share predicted rightly, rounded to three digits."""
        parts = {"majority": self.majority, "structure_only": self.structure, "query_only": self.query}
        return {name: round(float((part == self.truth).mean()), 3) for name, part in parts.items()}


def predict_tools(connection: duckdb.DuckDBPyConnection) -> Predictions | None:
    """Predict each row's first tool three ways; None when there is nothing to choose between.

    Where a row lists its tools, each of the three guesses among those: that a tool which is not offered is not called
    is no shortcut.
    """
    rows = connection.execute(
        f"""
        SELECT l.label_tool, l.fold, l.cluster, coalesce(e.last_request, ''), l.toolset,
            {", ".join("l." + name for name in BEFORE)}
        FROM labelled l JOIN examples e USING (example)
        ORDER BY hash(l.example), l.example LIMIT {SAMPLE}
        """
    ).fetchall()
    if len({row[0] for row in rows}) < 2 or len({row[1] for row in rows}) < 2:
        return None
    columns = list(zip(*rows))
    truth, folds, clusters = _codes(columns[0]), np.array(columns[1]), np.array(columns[2])
    structure = np.stack([_codes(column) for column in columns[5:]], axis=1)
    names = list(dict.fromkeys(columns[0]))
    possible = _possible(connection, names, columns[4])
    is_tool = np.array([not name.startswith("(") for name in names])
    majority = np.full_like(truth, -1)
    by_structure, by_query = majority.copy(), majority.copy()
    words, starts = _hashed_words(columns[3])
    classes = int(truth.max()) + 1
    for fold in range(FOLDS):
        held, trained = folds == fold, folds != fold
        if not held.any() or not trained.any():
            continue
        expected = _expected(truth, trained, possible, is_tool)
        majority[held] = expected[held].argmax(axis=1)
        by_structure[held] = _predict_structure(structure, truth, trained, held, expected)
        by_query[held] = _best(_score_words(words, starts, truth, trained, held, classes), possible[held])
    return Predictions(truth, majority, by_structure, by_query, clusters)


def _codes(values: tuple[object, ...]) -> Codes:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


def _possible(
    connection: duckdb.DuckDBPyConnection, classes: list[str], toolsets: tuple[str | None, ...]
) -> NDArray[np.bool_]:
    """For each row and class, whether the row can have it: no call, an unreadable one, or a tool that it offers."""
    offered: dict[str, set[str]] = {}
    for toolset, kind in connection.execute("SELECT DISTINCT toolset, kind FROM offered").fetchall():
        offered.setdefault(toolset, set()).add(kind)
    everything = np.ones(len(classes), dtype=np.bool_)
    of_toolset = {
        toolset: np.array([name.startswith("(") or name in kinds for name in classes])
        for toolset, kinds in offered.items()
    }
    return np.stack([everything if t is None else of_toolset.get(t, everything) for t in toolsets])


def _expected(
    y: Codes, trained: NDArray[np.bool_], possible: NDArray[np.bool_], is_tool: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """For each row the chance of every class when nothing but the offered tools is known.

    Whether there is a call is as likely as everywhere; which tool it is goes by how often each is called where it is
    offered, shared out among those that the row offers.
    """
    called = np.bincount(y[trained], minlength=len(is_tool)).astype(np.float64)
    weights = called / np.maximum(1, possible[trained].sum(axis=0))
    among = np.where(possible & is_tool, weights, 0.0)
    total = among.sum(axis=1, keepdims=True)
    calls = called[is_tool].sum() / max(1.0, called.sum())
    tools = calls * among / np.where(total > 0, total, 1.0)
    return np.where(is_tool, tools, called / max(1.0, called.sum()))


def _best(scores: NDArray[Any], possible: NDArray[np.bool_]) -> Codes:
    """The class with the highest score among those that a row can have."""
    return np.where(possible, scores, -np.inf).argmax(axis=1)


def _predict_structure(
    x: Codes, y: Codes, trained: NDArray[np.bool_], held: NDArray[np.bool_], expected: NDArray[np.float64]
) -> Codes:
    """The majority class among rows of exactly the same structure; naive Bayes where there are fewer than two.

    `expected` are the chances without any structure; what has none is not guessed.
    """
    classes = expected.shape[1]
    prior, possible = expected[held], expected[held] > 0
    scores = np.log(prior + 1e-9)
    for column in x.T:
        sizes = int(column.max()) + 1
        counts = np.zeros((sizes, classes))
        np.add.at(counts, (column[trained], y[trained]), 1)
        scores += np.log((counts + 0.5) / (counts.sum(axis=0) + 0.5 * sizes))[column[held]]
    predicted = _best(scores, possible)
    _, joint = np.unique(x, axis=0, return_inverse=True)
    joint = joint.reshape(-1)
    cells = np.zeros((int(joint.max()) + 1, classes))
    np.add.at(cells, (joint[trained], y[trained]), 1)
    own = cells[joint[held]]
    # Among equally frequent classes of a cell the overall more frequent one is taken.
    best = _best(own + 1e-6 * prior, possible)
    return np.where((own * possible).sum(axis=1) >= 2, best, predicted)


def _hashed_words(texts: tuple[str, ...]) -> tuple[Codes, Codes]:
    """Hashed words and pairs of words of all texts in one array, and where each text begins."""
    found: list[int] = []
    starts = [0]
    for text in texts:
        words = re.findall(r"\w+", text[:2000].lower())
        tokens = set(words) | {f"{a} {b}" for a, b in pairwise(words)}
        found += [zlib.crc32(token.encode()) % WORDS for token in tokens]
        starts.append(len(found))
    return np.array(found, dtype=np.int64), np.array(starts, dtype=np.int64)


def _score_words(
    words: Codes, starts: Codes, y: Codes, trained: NDArray[np.bool_], held: NDArray[np.bool_], classes: int
) -> NDArray[np.float64]:
    """Multinomial naive Bayes over hashed words: log scores of the held rows' classes."""
    owner = np.repeat(np.arange(len(y)), np.diff(starts))
    kept = trained[owner]
    counts = np.bincount(y[owner[kept]] * WORDS + words[kept], minlength=classes * WORDS).reshape(
        classes, WORDS
    )
    smooth = 0.1
    weights = np.log(counts + smooth) - np.log(counts.sum(axis=1, keepdims=True) + smooth * WORDS)
    prior = np.log(np.bincount(y[trained], minlength=classes) + 1.0)
    scores = np.tile(prior, (len(y), 1))
    mine = held[owner]
    np.add.at(scores, owner[mine], weights.T[words[mine]])
    return scores[held]
