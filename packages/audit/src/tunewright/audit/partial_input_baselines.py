"""Partial-input baselines: how well the tool is guessed by nothing, by structure alone, and by the request alone.

Where structure comes near the request, a model has a choice of what to learn. Structure is judged on clusters that it was
not fitted on, for rows of one template are built alike; the request on other rows of the same wordings, for a model knows
those too. Always saying the commonest is counted over all rows, and nothing is reported below it: that guess is open to
everybody.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tunewright.audit.features import BEFORE
from tunewright.audit.listed_choice import fit_choice, offered_kinds
from tunewright.audit.shortcuts import FOLDS

SAMPLE = 5_000  # rows; more would not move the numbers by a percent
FEWEST_TEXTS = 3  # requests with a word, below which it says nothing
CELL = 4.0  # rows of exactly the same structure that count as much as all of its parts

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Predictions:
    """Predictions of the tool by each of the three, and the truth, as places in `names`.

    `certainty` is by how much the request's prediction is likelier than the row's own label, as a logarithm.
    """

    names: tuple[str, ...]
    examples: Codes
    truth: Codes
    majority: Codes
    structure: Codes
    query: Codes
    clusters: Codes
    certainty: Floats

    def accuracies(self) -> dict[str, float]:
        """Share predicted rightly, rounded to three digits; none is below the majority."""
        least = float((self.majority == self.truth).mean())
        parts = {"majority": self.majority, "structure_only": self.structure, "query_only": self.query}
        return {
            name: round(max(least, float((part == self.truth).mean())), 3) for name, part in parts.items()
        }


def predict_tools(connection: duckdb.DuckDBPyConnection) -> Predictions | None:
    """Predict each row's first tool three ways; None when there is nothing to choose between.

    Where a row lists its tools, each of the three guesses among those: that a tool which is not offered is not called
    is not a shortcut.
    """
    rows = connection.execute(
        rf"""
        SELECT l.label_tool, l.fold, l.cluster,
            CASE WHEN regexp_matches(e.last_request, '\S+\s+\S+\s+\S') THEN e.last_request
                -- A word or two answer a question: what was asked for came before.
                ELSE concat_ws(' ', nullif(e.request, e.last_request), e.last_request) END, l.list, l.example,
            {", ".join("l." + name for name in BEFORE)}
        FROM labelled l JOIN examples e USING (example)
        ORDER BY hash(l.example), l.example LIMIT {SAMPLE}
        """
    ).fetchall()
    if len({row[0] for row in rows}) < 2:
        return None
    columns = list(zip(*rows))
    examples, truth, folds, clusters = (
        np.array(columns[5]),
        _codes(columns[0]),
        np.array(columns[1]),
        np.array(columns[2]),
    )
    names = tuple(dict.fromkeys(columns[0]))
    by_row = np.arange(len(truth)) % FOLDS
    lists = np.array(columns[4], dtype=np.int64)
    choice = fit_choice(names, truth, lists, offered_kinds(connection))
    lists = np.minimum(lists, len(choice.offers) - 1)
    prior, possible = choice.chances()[lists], choice.possible()[lists]
    majority = _majority(truth, prior)
    structure = np.stack([_codes(column) for column in columns[6:]], axis=1)
    by_structure, by_query, certainty = majority.copy(), majority.copy(), np.zeros(len(truth))
    words, starts = _words(columns[3])
    for fold in range(FOLDS):
        held, trained = folds == fold, folds != fold
        if held.any() and trained.any():
            scores = np.log(prior[held] + 1e-9) + _by_structure(structure, truth, trained, held, prior)
            by_structure[held] = _best(scores, possible[held])
        held, trained = by_row == fold, by_row != fold
        if held.any() and trained.any():
            scores = np.log(prior[held] + 1e-9) + _by_words(words, starts, truth, trained, held, len(names))
            by_query[held] = _best(scores, possible[held])
            rows = np.arange(len(scores))
            certainty[held] = scores[rows, by_query[held]] - scores[rows, truth[held]]
    return Predictions(names, examples, truth, majority, by_structure, by_query, clusters, certainty)


def _codes(values: tuple[object, ...]) -> Codes:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


def _majority(truth: Codes, prior: Floats) -> Codes:
    """The likeliest tool of each row's list, or the commonest of all where that is right more often."""
    by_list = prior.argmax(axis=1)
    commonest = np.full_like(truth, np.bincount(truth).argmax())
    return max((by_list, commonest), key=lambda guess: float((guess == truth).mean()))


def _best(scores: NDArray[Any], possible: Mask) -> Codes:
    """The class with the highest score among those that a row can have."""
    return np.where(possible, scores, -np.inf).argmax(axis=1)


def _evidence(counts: Floats, sizes: Floats) -> Floats:
    """For each value (down) by how much it makes each class likelier: the log of its share in the class over that in all.

    `sizes` are the rows of each class. Shares of classes are compared, and not counts: a held-out fold of balanced classes
    makes the classes that it holds rarer among the others. Values that go with no class more than chance gives say nothing.
    """
    total = sizes.sum()
    of_value = counts.sum(axis=1, keepdims=True)
    expected = of_value * sizes / max(1.0, total)
    freedom = max(1, int((sizes > 0).sum()) - 1)
    surprise = np.where(expected > 0, (counts - expected) ** 2 / np.maximum(expected, 1e-12), 0.0).sum(axis=1)
    overall = of_value / max(1.0, total)
    ratio = np.log(np.maximum(counts + overall, 1e-12) / (sizes + 1.0)) - np.log(np.maximum(overall, 1e-12))
    tells = (surprise > freedom + 3 * np.sqrt(2 * freedom) + 2) & (of_value[:, 0] >= FEWEST_TEXTS)
    return np.where(tells[:, None], ratio, 0.0)


def _by_structure(x: Codes, y: Codes, trained: Mask, held: Mask, prior: Floats) -> Floats:
    """Naive Bayes over the parts of the structure, and where rows are exactly alike those rows: log odds of the classes."""
    classes = prior.shape[1]
    sizes = np.bincount(y[trained], minlength=classes).astype(np.float64)
    scores = np.zeros((int(held.sum()), classes))
    for column in x.T:
        counts = np.zeros((int(column.max()) + 1, classes))
        np.add.at(counts, (column[trained], y[trained]), 1)
        scores += _evidence(counts, sizes)[column[held]]
    _, joint = np.unique(x, axis=0, return_inverse=True)
    joint = joint.reshape(-1)
    cells = np.zeros((int(joint.max()) + 1, classes))
    np.add.at(cells, (joint[trained], y[trained]), 1)
    parts = prior[held] * np.exp(np.clip(scores, -30, 30))
    parts /= np.maximum(parts.sum(axis=1, keepdims=True), 1e-300)
    shares = np.bincount(y, minlength=classes) / len(y)
    alike = cells[joint[held]] / np.maximum(sizes, 1.0) * shares * sizes.sum()
    return np.log(alike + CELL * parts + 1e-300) - np.log(prior[held] + 1e-9)


def _words(texts: Sequence[str]) -> tuple[Codes, Codes]:
    """Words and pairs of words of all texts in one array, each text's once, and where each text begins."""
    known: dict[str, int] = {}
    found: list[int] = []
    starts = [0]
    for text in texts:
        words = re.findall(r"[぀-鿿]|[^\W぀-鿿]+", text[:2000].lower())
        tokens = set(words) | {f"{a} {b}" for a, b in pairwise(words)}
        found += [known.setdefault(token, len(known)) for token in tokens]
        starts.append(len(found))
    return np.array(found, dtype=np.int64), np.array(starts, dtype=np.int64)


def _by_words(words: Codes, starts: Codes, y: Codes, trained: Mask, held: Mask, classes: int) -> Floats:
    """Naive Bayes over the words that the held rows have: log odds of the classes."""
    owner = np.repeat(np.arange(len(y)), np.diff(starts))
    kept = trained[owner]
    vocabulary = int(words.max()) + 1 if len(words) else 0
    often = np.bincount(words[kept], minlength=vocabulary) >= FEWEST_TEXTS
    place = np.cumsum(often) - 1
    chosen = kept & often[words] if len(words) else kept
    counts = np.bincount(
        place[words[chosen]] * classes + y[owner[chosen]], minlength=int(often.sum()) * classes
    ).reshape(-1, classes)
    evidence = _evidence(
        counts.astype(np.float64), np.bincount(y[trained], minlength=classes).astype(np.float64)
    )
    scores = np.zeros((len(y), classes))
    mine = held[owner] & often[words] if len(words) else kept
    np.add.at(scores, owner[mine], evidence[place[words[mine]]])
    return scores[held]
