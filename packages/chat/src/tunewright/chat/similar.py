"""Texts that are nearly the same: one definition, two searches over it, and the groups that near texts make.

A text is its set of word pairs. Two texts are near when their sets have a Jaccard similarity of at least a threshold.
`NearDuplicates` decides text by text, exactly, as rows are made; `find_near_texts` searches a whole table in SQL.
Why both: docs/decisions/0019-near-duplicates-once.md.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

NEAR = 0.75  # Jaccard similarity of word pairs from which two requests count as the same


def words_of(text: str) -> list[str]:
    """Lower-case words; what joins the parts of a path or a name stays inside a word."""
    return re.findall(r"[\w./-]*\w", text.lower())


def shingles(text: str, size: int) -> frozenset[tuple[str, ...]]:
    """All runs of `size` words; a shorter text is one run."""
    words = words_of(text)
    if len(words) <= size:
        return frozenset({tuple(words)})
    return frozenset(tuple(words[i : i + size]) for i in range(len(words) - size + 1))


def is_near(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]], threshold: float) -> bool:
    """Whether two sets of shingles have a Jaccard similarity of at least `threshold`."""
    return len(a & b) >= threshold * len(a | b)


@dataclass
class NearDuplicates:
    """Finds earlier requests that are nearly the same, by shared word pairs."""

    threshold: float = NEAR
    _known: list[frozenset[tuple[str, ...]]] = field(default_factory=list[frozenset[tuple[str, ...]]])
    _by_pair: dict[tuple[str, ...], list[int]] = field(default_factory=dict[tuple[str, ...], list[int]])

    def add(self, text: str) -> bool:
        """Remember `text` unless something nearly the same is known; say whether it was new."""
        pairs = shingles(text, 2)
        if self._similar(pairs, all_of_them=False):
            return False
        self._remember(pairs)
        return True

    def knows(self, text: str) -> bool:
        """Whether something nearly the same was added."""
        return bool(self._similar(shingles(text, 2), all_of_them=False))

    def add_all(self, text: str) -> list[int]:
        """Remember `text` in any case; return the numbers of the texts nearly the same, counted from 0."""
        pairs = shingles(text, 2)
        found = self._similar(pairs, all_of_them=True)
        self._remember(pairs)
        return found

    def _similar(self, pairs: frozenset[tuple[str, ...]], *, all_of_them: bool) -> list[int]:
        # Whatever is this similar shares one of any few pairs; the rarest ones are looked up fastest.
        rarest = sorted(pairs, key=lambda pair: (len(self._by_pair.get(pair, ())), pair))
        needed = len(pairs) - math.ceil(self.threshold * len(pairs)) + 1
        found: list[int] = []
        seen: set[int] = set()
        for pair in rarest[:needed]:
            for index in self._by_pair.get(pair, ()):
                if index in seen:
                    continue
                seen.add(index)
                other = self._known[index]
                if is_near(pairs, other, self.threshold):
                    found.append(index)
                    if not all_of_them:
                        return found
        return found

    def _remember(self, pairs: frozenset[tuple[str, ...]]) -> None:
        number = len(self._known)
        self._known.append(pairs)
        for pair in pairs:
            self._by_pair.setdefault(pair, []).append(number)


class Clusters:
    """Connected components (union-find with path halving). A component goes by its smallest member."""

    def __init__(self, members: Iterable[int] = ()) -> None:
        self._above = {member: member for member in members}

    def find(self, member: int) -> int:
        """The smallest member of the component; one that is new is alone in its own."""
        above = self._above
        while (parent := above.setdefault(member, member)) != member:
            above[member] = above[parent]
            member = parent
        return member

    def join(self, a: int, b: int) -> None:
        """Make one component of two."""
        a, b = self.find(a), self.find(b)
        if a != b:
            self._above[max(a, b)] = min(a, b)

    def roots(self) -> dict[int, int]:
        """Each member and the smallest one of its component."""
        return {member: self.find(member) for member in self._above}

    def sizes(self) -> Counter[int]:
        """How many members each component has, by its smallest."""
        return Counter(self.roots().values())


# MinHash: 18 hashes in 6 bands of 3. Two texts of similarity 0.8 share a band with probability 1 - (1 - 0.8^3)^6 = 0.987,
# of 0.9 with 0.9996. Broder, "On the resemblance and containment of documents", 1997.
_HASHES, _BAND = 18, 3
MIN_WORDS = 5  # shorter requests are alike by chance

# A pair's hash is random already; xor with a constant orders the hashes anew at a fraction of another hash's cost.
# Fixed constants: the same data must give the same pairs on every machine.
_SEEDS = [(0x9E3779B97F4A7C15 * (2 * number + 1)) % (1 << 63) for number in range(_HASHES)]
_MINIMA = ", ".join(f"list_min(list_transform(s, lambda h: xor(h, {seed}::UBIGINT)))" for seed in _SEEDS)

# `words_of` in SQL: one regular expression, or splitting at blanks where both give the same and it costs a third: where
# words are separated by one blank or line end, and marks are only at the end.
_WORD = r"\w(?:[\w./-]*\w)?"
WORDS_IN_SQL = rf"""
string_split(CASE WHEN regexp_full_match(t, '(?:{_WORD}[ \n])*{_WORD}[.,?!]*')
    THEN regexp_replace(replace(t, chr(10), ' '), '[.,?!]+$', '')
    ELSE array_to_string(regexp_extract_all(t, '[\pL\pN_./-]*[\pL\pN_]'), ' ') END, ' ')
"""

# Materialized, for the words are asked for twice.
_SPOKEN = f"""
CREATE TEMP TABLE spoken AS
WITH said AS MATERIALIZED (
    SELECT id, anchor, {WORDS_IN_SQL} AS w FROM (SELECT id, anchor, lower(text) AS t FROM SOURCE)
)
SELECT id, anchor, list_transform(range(1, len(w)), lambda i: hash(w[i], w[i + 1])) AS s FROM said
WHERE len(w) >= {MIN_WORDS}
"""

_BANDS = f"""
CREATE TEMP TABLE bands AS
SELECT id, anchor, unnest(range({_HASHES // _BAND})) AS band,
    unnest([hash({", ".join(f"m[b + {place + 1}]" for place in range(_BAND))}) FOR b IN range(0, {_HASHES}, {_BAND})]) AS key
FROM (SELECT id, anchor, [{_MINIMA}] AS m FROM spoken)
"""

# A star around the first text of each bucket, and one around its first anchor: linear, where all pairs of a bucket would be
# quadratic.
_PAIRS = """
CREATE TABLE PAIRS AS
WITH buckets AS (
    SELECT band, key, min(id) AS first, min(id) FILTER (anchor) AS anchored
    FROM bands GROUP BY band, key HAVING count(*) > 1
), candidates AS (
    SELECT DISTINCT unnest([first, anchored]) AS a, id AS b FROM bands JOIN buckets USING (band, key)
), compared AS (
    SELECT a, b, len(list_intersect(x, y)) AS common, len(x) AS left_size, len(y) AS right_size FROM (
        SELECT a, b, list_distinct(left_text.s) AS x, list_distinct(right_text.s) AS y
        FROM candidates JOIN spoken left_text ON left_text.id = a JOIN spoken right_text ON right_text.id = b
        WHERE a IS NOT NULL AND a <> b
    )
)
SELECT DISTINCT least(a, b) AS a, greatest(a, b) AS b, common / (left_size + right_size - common) AS similarity
FROM compared WHERE common >= $threshold * (left_size + right_size - common)
"""


def find_near_texts(
    connection: "duckdb.DuckDBPyConnection", source: str, threshold: float, pairs: str = "near_pairs"
) -> None:
    """Make the table `pairs (a, b, similarity)`, a < b, of the near texts of `source (id, text, anchor)`: a table, a query.

    Texts of fewer than five words are left out. All pairs named are near; of near texts about 1 in 100 is missed at the
    threshold, and fewer above it. Not every pair is named: a text is compared with the first of those that share a band
    with it, and with the first of them that is an anchor.
    """
    connection.execute(_SPOKEN.replace("SOURCE", source))
    connection.execute(_BANDS)
    connection.execute(_PAIRS.replace("PAIRS", pairs), {"threshold": threshold})
    connection.execute("DROP TABLE bands; DROP TABLE spoken")
