"""Near-duplicate requests by MinHash in SQL, and the clusters that they and common templates make.

Only the user's turns are compared: shared system prompts and tool lists would make everything look alike. Word
2-shingles, 18 hashes in 6 bands of 3: two texts of similarity 0.8 share a band with probability 1 - (1 - 0.8^3)^6 = 0.987,
of 0.9 with 0.9996. Candidates are then compared exactly, so that nothing is reported that is not so.
Broder, "On the resemblance and containment of documents", 1997.
"""

from collections.abc import Iterable, Iterator

import duckdb

from tunewright.audit.database import make_in_slices

HASHES, BAND = 18, 3
SIMILARITY = 0.8  # Jaccard similarity of 2-shingles from which two requests count as nearly the same
MIN_WORDS = 5  # shorter requests are alike by chance

# A shingle's hash is random already; xor with a constant orders the hashes anew at a fraction of another hash's cost.
# Fixed constants: the same data must give the same clusters on every machine.
_SEEDS = [(0x9E3779B97F4A7C15 * (2 * number + 1)) % (1 << 63) for number in range(HASHES)]
_MINIMA = ", ".join(f"list_min(list_transform(s, lambda h: xor(h, {seed}::UBIGINT)))" for seed in _SEEDS)

_JOINED = "SELECT example, string_agg(lower(content), ' ' ORDER BY position) AS text FROM"
_SAID = f"{_JOINED} messages WHERE role = 'user' AND example BETWEEN $first AND $last GROUP BY example"
_SUITES_SAY = f"INSERT INTO said {_JOINED} suite_texts GROUP BY example"

# The representative of each example's text: pairs of representatives speak for all that say the same.
_SPOKEN_BY = """
CREATE TABLE spoken_by AS
SELECT example, min(example) OVER (PARTITION BY hash(text)) AS speaker FROM said WHERE example > 0
"""

# Four replacements cost a third of one regular expression, and the commonest marks are what requests differ in.
_TEXTS = f"""
CREATE TEMP TABLE spoken AS
WITH words AS (
    SELECT min(example) AS example,
        string_split(replace(replace(replace(replace(any_value(text), chr(10), ' '), '.', ''), ',', ''), '?', ''), ' ') AS w
    FROM said GROUP BY hash(text), example > 0
)
SELECT example, list_transform(range(1, len(w)), lambda i: hash(w[i], w[i + 1])) AS s
FROM words WHERE len(w) >= {MIN_WORDS}
"""

_BANDS = f"""
CREATE TEMP TABLE bands AS
SELECT example, unnest(range({HASHES // BAND})) AS band,
    unnest([hash({", ".join(f"m[b + {place + 1}]" for place in range(BAND))}) FOR b IN range(0, {HASHES}, {BAND})]) AS key
FROM (SELECT example, [{_MINIMA}] AS m FROM spoken)
"""

# A star around the first text of each bucket, and one around its first text of the train split: linear, where all
# pairs of a bucket would be quadratic.
_PAIRS = f"""
CREATE TABLE near_pairs AS
WITH buckets AS (
    SELECT band, key, min(example) AS first, min(example) FILTER (split = 'train') AS train
    FROM bands LEFT JOIN (SELECT example, split FROM examples) USING (example)
    GROUP BY band, key HAVING count(*) > 1
), candidates AS (
    SELECT DISTINCT unnest([first, train]) AS a, example AS b FROM bands JOIN buckets USING (band, key)
), compared AS (
    SELECT a, b, len(list_intersect(x, y)) AS common, len(x) AS left_size, len(y) AS right_size FROM (
        SELECT a, b, list_distinct(left_text.s) AS x, list_distinct(right_text.s) AS y
        FROM candidates JOIN spoken left_text ON left_text.example = a JOIN spoken right_text ON right_text.example = b
        WHERE a IS NOT NULL AND a <> b
    )
)
SELECT DISTINCT least(a, b) AS a, greatest(a, b) AS b, common / (left_size + right_size - common) AS similarity
FROM compared WHERE common >= {SIMILARITY} * (left_size + right_size - common)
"""


def find_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `near_pairs`, `spoken_by` and `clusters (example, cluster)` from `examples`, `messages` and `suite_texts`."""
    make_in_slices(connection, "said", _SAID)
    connection.execute(_SUITES_SAY)
    connection.execute(_SPOKEN_BY)
    connection.execute(_TEXTS)
    connection.execute(_BANDS)
    connection.execute(_PAIRS)
    connection.execute("DROP TABLE bands; DROP TABLE spoken; DROP TABLE said")
    # Identical texts, one template, near-duplicates: all ways in which rows are not independent of each other.
    connection.execute("""
        CREATE TEMP TABLE groups AS
        SELECT e.example, min(e.example) OVER (PARTITION BY template_hash) AS template,
            coalesce(speaker, e.example) AS speaker
        FROM examples e LEFT JOIN spoken_by USING (example)
    """)
    edges = connection.execute("""
        SELECT a, b FROM near_pairs WHERE a > 0
        UNION SELECT template, speaker FROM groups WHERE template <> speaker
    """)
    joined = _union(iter(lambda: edges.fetchmany(10_000), []))
    connection.execute("CREATE TEMP TABLE joined (member BIGINT, root BIGINT)")
    members = list(joined)
    for start in range(0, len(members), 200_000):
        part = members[start : start + 200_000]
        connection.execute(
            "INSERT INTO joined SELECT unnest($1::BIGINT[]), unnest($2::BIGINT[])",
            [[member for member, _ in part], [root for _, root in part]],
        )
    connection.execute("""
        CREATE TABLE clusters AS
        SELECT g.example, coalesce(j.root, g.template) AS cluster
        FROM groups g LEFT JOIN joined j ON j.member = g.template
    """)
    connection.execute("DROP TABLE groups; DROP TABLE joined")


def _union(pages: Iterable[list[tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    """Connected components by union-find: (member, smallest member of its component) for all that occur."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for page in pages:
        for a, b in page:
            x, y = root(a), root(b)
            if x != y:
                parent[max(x, y)] = min(x, y)
    for node in list(parent):
        yield node, root(node)
