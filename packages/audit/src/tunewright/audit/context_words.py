"""Words of the texts before the choice of the tool, counted against the tool: system messages, earlier turns, tools.

Digits are masked, so that "agent 17" and "agent 18" are one wording. A sample is enough: what matters shows in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tunewright.audit.features import BY_NAME
from tunewright.audit.label_features import among
from tunewright.audit.shortcuts import FOLDS, Table

SAMPLE = 10_000  # rows
MANY = 10  # rows with the same earlier turn
MOST_WORDS = 1_000  # of a kind of text, those of the most rows
Codes = NDArray[np.int64]

_SAMPLE = f"""
CREATE OR REPLACE TEMP TABLE sampled AS
SELECT l.example, l.label_tool, l.toolset, l.offers, l.same_choice, l.list, l.fold, l.cluster FROM labelled l
ORDER BY hash(l.example), l.example LIMIT {SAMPLE}
"""
# Which texts each row has, by their hashes: most texts are those of many rows.
_TEXTS = {
    "system_words": """
        SELECT example, coalesce(b.text, regexp_replace(e.system, '<tools>.*?</tools>', '', 's')) AS text
        FROM sampled s JOIN examples e USING (example) LEFT JOIN bare_prompts b ON b.toolset = s.toolset
        WHERE e.has_system""",
    # A word or two answer a question, and the turns before are the request. Other turns are looked at where many rows have
    # the same one: what is said once is what the conversation is about.
    "earlier_words": rf"""
        SELECT example, m.content AS text FROM messages m JOIN sampled USING (example) JOIN examples e USING (example)
        WHERE m.role <> 'system' AND m.position < e.choice AND m.content <> coalesce(e.last_request, '')
            AND m.content <> '' AND regexp_matches(e.last_request, '\S+\s+\S+\s+\S')
        QUALIFY count(*) OVER (PARTITION BY hash(regexp_replace(m.content, '\d+', '0', 'g'))) >= {MANY}""",
    # A tool that is always described in the same words adds nothing to its being offered.
    "description_words": """
        SELECT example, o.description AS text FROM sampled JOIN offered o USING (toolset)
        WHERE o.kind IN (SELECT kind FROM offered GROUP BY kind HAVING count(DISTINCT description) > 1)""",
}
_MASKED = r"regexp_replace(lower(text[:4000]), '\d+', '0', 'g')"
# Without a bound: an expression that repeats a class of Unicode up to 40 times takes 70 ms to compile, each time.
_WORDS = rf"list_distinct(regexp_extract_all({_MASKED}, '[\pL\pN_]+|\p{{So}}'))"
_FOUND = f"""
WITH had AS MATERIALIZED (
    SELECT example, hash(text) AS key, text FROM (TEXTS) JOIN sampled s USING (example) WHERE AMONG
), texts AS (
    SELECT key, any_value(text) AS text, count(*) AS n FROM had GROUP BY key
), listed AS MATERIALIZED (
    SELECT key, n, unnest({_WORDS}) AS word FROM texts
), likely AS (
    -- A row has one system message: a word of nearly all is left out before it is counted row by row.
    SELECT word FROM listed GROUP BY word HAVING sum(n) BETWEEN $support AND $most
)
SELECT DISTINCT example, word FROM listed SEMI JOIN likely USING (word) JOIN had USING (key)
"""
_TOOLS = "SELECT DISTINCT example, o.kind AS word FROM sampled s JOIN offered o USING (toolset) WHERE AMONG"
# Which words a tool's description has when it is called and when it is merely offered.
_DESCRIBED = f"""
WITH varied AS (
    SELECT kind FROM offered GROUP BY kind HAVING count(DISTINCT description) > 1
), pairs AS (
    SELECT o.kind, o.description AS text, s.label_tool = o.kind AS called, count(*) AS n
    FROM sampled s JOIN offered o USING (toolset) SEMI JOIN varied USING (kind) GROUP BY ALL
), totals AS (
    SELECT kind, sum(n)::BIGINT AS total, (sum(n) FILTER (called))::BIGINT AS calls FROM pairs GROUP BY kind
)
SELECT kind, word, any_value(total), any_value(calls), sum(n)::BIGINT, coalesce(sum(n) FILTER (called), 0)::BIGINT
FROM (SELECT kind, called, n, unnest({_WORDS}) AS word FROM pairs) JOIN totals USING (kind)
GROUP BY kind, word HAVING sum(n) BETWEEN $support AND any_value(total) - $support AND any_value(calls) >= $support
ORDER BY ALL
"""


@dataclass(frozen=True)
class WordRows:
    """The rows of the sample that words of one kind are judged among, and which of them has which word."""

    examples: Codes
    labels: Codes
    classes: tuple[str, ...]
    lists: Codes
    folds: Codes
    clusters: Codes
    words: tuple[str, ...]
    owner: Codes  # places of rows
    word: Codes  # places of words, as many

    def has(self, word: str) -> NDArray[np.bool_]:
        found = np.zeros(len(self.examples), dtype=np.bool_)
        found[self.owner[self.word == self.words.index(word)]] = True
        return found


def read_words(connection: duckdb.DuckDBPyConnection, min_support: float) -> dict[str, WordRows]:
    """The words of every kind of text, those that enough rows have and enough have not."""
    connection.execute(_SAMPLE)
    found: dict[str, WordRows] = {}
    for feature in (*_TEXTS, "offered_tool"):
        where = among(BY_NAME[feature], "tool") or "true"
        rows = connection.execute(
            f"SELECT example, label_tool, list, fold, dense_rank() OVER (ORDER BY cluster) - 1 AS cluster FROM sampled "
            f"WHERE {where} ORDER BY example"
        ).fetchnumpy()
        if not len(rows["example"]):
            continue
        query = _FOUND.replace("TEXTS", _TEXTS[feature]) if feature in _TEXTS else _TOOLS
        most = len(rows["example"]) - int(min_support)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE found AS {query.replace('AMONG', where)}",
            {"support": min_support, "most": most if feature == "system_words" else SAMPLE * MOST_WORDS}
            if feature in _TEXTS
            else {},
        )
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE words AS
            SELECT word, row_number() OVER (ORDER BY n DESC, word) - 1 AS place FROM (
                SELECT word, count(*) AS n FROM found GROUP BY word HAVING n BETWEEN {int(min_support)} AND {most}
            ) ORDER BY 2 LIMIT {MOST_WORDS}
        """)
        words = tuple(w for (w,) in connection.execute("SELECT word FROM words ORDER BY place").fetchall())
        pairs = connection.execute("SELECT example, place FROM found JOIN words USING (word)").fetchnumpy()
        word = np.asarray(pairs["place"], dtype=np.int64)
        owner = np.searchsorted(rows["example"], pairs["example"]).astype(np.int64)
        words, owner, word = _once_each(words, owner, word)
        classes, labels = _numbered(rows["label_tool"])
        if not words or len(classes) < 2:
            continue
        examples = np.asarray(rows["example"], dtype=np.int64)
        found[feature] = WordRows(
            examples,
            labels,
            classes,
            np.asarray(rows["list"], dtype=np.int64),
            np.asarray(rows["fold"], dtype=np.int64),
            np.asarray(rows["cluster"], dtype=np.int64),
            words,
            owner,
            word,
        )
    return found


def _once_each(words: tuple[str, ...], owner: Codes, word: Codes) -> tuple[tuple[str, ...], Codes, Codes]:
    """Of words that the very same rows have, as those of one sentence, the longest only: they are one test."""
    order = np.lexsort((owner, word))
    owner, word = owner[order], word[order]
    bounds = np.searchsorted(word, np.arange(len(words) + 1))
    longest: dict[bytes, int] = {}
    for place in range(len(words)):
        rows = owner[bounds[place] : bounds[place + 1]].tobytes()
        if rows not in longest or len(words[place]) > len(words[longest[rows]]):
            longest[rows] = place
    kept = sorted(longest.values())
    chosen = np.isin(word, kept)
    return tuple(words[place] for place in kept), owner[chosen], np.searchsorted(kept, word[chosen])


def _numbered(values: "NDArray[Any]") -> tuple[tuple[str, ...], Codes]:
    names, places = np.unique(np.asarray(values, dtype=str), return_inverse=True)
    return tuple(map(str, names)), places.reshape(-1).astype(np.int64)


def word_tables(feature: str, rows: WordRows) -> list[Table]:
    """For each word a table of whether rows have it."""
    shape = (len(rows.words), len(rows.classes), FOLDS)
    having = np.zeros(shape, dtype=np.int64)
    np.add.at(having, (rows.word, rows.labels[rows.owner], rows.folds[rows.owner]), 1)
    whole = np.zeros(shape[1:], dtype=np.int64)
    np.add.at(whole, (rows.labels, rows.folds), 1)
    return [
        Table(
            feature,
            "tool",
            ("no", "yes"),
            rows.classes,
            np.stack([whole - having[place], having[place]]),
            word,
            # The tool that is called is offered, by definition.
            word if feature == "offered_tool" else "",
        )
        for place, word in enumerate(rows.words)
    ]


@dataclass(frozen=True)
class Described:
    """How often a tool's description has a word when the tool is called, and when it is merely offered."""

    tool: str
    word: str
    offered: int
    calls: int
    with_word: int
    both: int


def described_words(connection: duckdb.DuckDBPyConnection, min_support: float) -> Sequence[Described]:
    """Every tool and word for which that can be told. Needs what `read_words` made."""
    rows = connection.execute(_DESCRIBED, {"support": min_support}).fetchall()
    return [Described(kind, word, *numbers) for kind, word, *numbers in rows]
