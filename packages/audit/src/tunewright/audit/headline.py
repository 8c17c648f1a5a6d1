"""Three numbers on the same folds: how well the tool is predicted by nothing, by structure, and by the request.

Majority, structure alone, and the request's words alone. Where structure comes near the request, a model has a
choice of what to learn.
"""

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise

import duckdb
import numpy as np
from numpy.typing import NDArray

from tunewright.audit.features import BEFORE
from tunewright.audit.shortcuts import FOLDS

SAMPLE = 5_000  # rows; more would not move the numbers by a percent
WORDS = 1 << 13  # hashed words and pairs of words
_SKIPPED = ("tools_offered", "tool_set")  # by definition they limit what can be called

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
    """Predict each row's first tool three ways; None when there is nothing to choose between."""
    features = [name for name in BEFORE if name not in _SKIPPED]
    rows = connection.execute(
        f"""
        SELECT l.label_tool, l.fold, l.cluster, coalesce(e.last_request, ''), {", ".join("l." + name for name in features)}
        FROM labelled l JOIN examples e USING (example)
        ORDER BY hash(l.example), l.example LIMIT {SAMPLE}
        """
    ).fetchall()
    if len({row[0] for row in rows}) < 2 or len({row[1] for row in rows}) < 2:
        return None
    columns = list(zip(*rows))
    truth, folds, clusters = _codes(columns[0]), np.array(columns[1]), np.array(columns[2])
    structure = np.stack([_codes(column) for column in columns[4:]], axis=1)
    majority = np.empty_like(truth)
    by_structure = np.empty_like(truth)
    by_query = np.empty_like(truth)
    words, starts = _hashed_words(columns[3])
    classes = int(truth.max()) + 1
    for fold in range(FOLDS):
        held, trained = folds == fold, folds != fold
        if not held.any() or not trained.any():
            majority[held] = by_structure[held] = by_query[held] = -1
            continue
        majority[held] = np.bincount(truth[trained], minlength=classes).argmax()
        by_structure[held] = _predict_structure(structure, truth, trained, held, classes)
        by_query[held] = _predict_words(words, starts, truth, trained, held, classes)
    return Predictions(truth, majority, by_structure, by_query, clusters)


def _codes(values: tuple[object, ...]) -> Codes:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


def _predict_structure(
    x: Codes, y: Codes, trained: NDArray[np.bool_], held: NDArray[np.bool_], classes: int
) -> Codes:
    """The majority class among rows of exactly the same structure; naive Bayes where there are fewer than two."""
    scores = np.log(np.bincount(y[trained], minlength=classes) + 1.0) + np.zeros((int(held.sum()), classes))
    prior = scores.copy()
    for column in x.T:
        sizes = int(column.max()) + 1
        counts = np.zeros((sizes, classes))
        np.add.at(counts, (column[trained], y[trained]), 1)
        scores += np.log((counts + 0.5) / (counts.sum(axis=0) + 0.5 * sizes))[column[held]]
    predicted = scores.argmax(axis=1)
    _, joint = np.unique(x, axis=0, return_inverse=True)
    joint = joint.reshape(-1)
    cells = np.zeros((int(joint.max()) + 1, classes))
    np.add.at(cells, (joint[trained], y[trained]), 1)
    own = cells[joint[held]]
    # Among equally frequent classes of a cell the overall more frequent one is taken.
    best = (own + 1e-6 * np.exp(prior)).argmax(axis=1)
    return np.where(own.sum(axis=1) >= 2, best, predicted)


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


def _predict_words(
    words: Codes, starts: Codes, y: Codes, trained: NDArray[np.bool_], held: NDArray[np.bool_], classes: int
) -> Codes:
    """Multinomial naive Bayes over hashed words."""
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
    return scores[held].argmax(axis=1)
