"""Near-duplicate requests by MinHash in SQL, and the clusters that they and common templates make.

Only the user's turns are compared: shared system prompts and tool lists would make everything look alike. Word
2-shingles, 64 hashes in 16 bands of 4 (recall about 0.98 at similarity 0.8); candidates are then compared exactly.
Broder, "On the resemblance and containment of documents", 1997.
"""

from collections.abc import Iterable, Iterator

import duckdb

HASHES, BAND = 64, 4
SIMILARITY = 0.8  # Jaccard similarity of 2-shingles from which two requests count as nearly the same
MIN_WORDS = 5  # shorter requests are alike by chance

# Fixed odd constants: the same data must give the same clusters on every machine.
_SEEDS = [(0x9E3779B97F4A7C15 * (2 * number + 1)) % (1 << 63) for number in range(HASHES)]
_MINIMA = ", ".join(
    f"list_min(list_transform(s, lambda h: hash(xor(h, {seed}::UBIGINT))))" for seed in _SEEDS
)

_TEXTS = f"""
CREATE TEMP TABLE spoken AS
WITH said AS (
    SELECT example, string_agg(lower(content), ' ' ORDER BY position) AS text
    FROM (SELECT example, content, position FROM messages WHERE role = 'user'
          UNION ALL SELECT example, content, 1 FROM suite_texts) GROUP BY example
), words AS (
    SELECT min(example) AS example, list_filter(regexp_split_to_array(text, '[^\\w]+'), lambda w: w <> '') AS w
    FROM said GROUP BY text
)
SELECT example, list_distinct(list_transform(range(1, len(w)), lambda i: hash(w[i], w[i + 1]))) AS s
FROM words WHERE len(w) >= {MIN_WORDS}
"""

_BANDS = f"""
CREATE TEMP TABLE bands AS
SELECT example, unnest(range({HASHES // BAND})) AS band,
    unnest([hash(m[b + 1], m[b + 2], m[b + 3], m[b + 4]) FOR b IN range(0, {HASHES}, {BAND})]) AS key
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
    SELECT a, b, len(list_intersect(x.s, y.s)) AS common, len(x.s) AS left_size, len(y.s) AS right_size
    FROM candidates JOIN spoken x ON x.example = a JOIN spoken y ON y.example = b
    WHERE a IS NOT NULL AND a <> b
)
SELECT DISTINCT least(a, b) AS a, greatest(a, b) AS b, common / (left_size + right_size - common) AS similarity
FROM compared WHERE common >= {SIMILARITY} * (left_size + right_size - common)
"""

# The representative of each example's text, so that pairs speak for all that say the same.
_SPOKEN_BY = """
CREATE TABLE spoken_by AS
SELECT example, min(example) OVER (PARTITION BY text) AS speaker FROM (
    SELECT example, hash(string_agg(lower(content), ' ' ORDER BY position)) AS text
    FROM messages WHERE role = 'user' GROUP BY example
)
"""


def find_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `near_pairs`, `spoken_by` and `clusters (example, cluster)` from `examples`, `messages` and `suite_texts`."""
    connection.execute(_TEXTS)
    connection.execute(_BANDS)
    connection.execute(_PAIRS)
    connection.execute("DROP TABLE bands; DROP TABLE spoken")
    connection.execute(_SPOKEN_BY)
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
