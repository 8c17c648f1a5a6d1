"""Near-duplicate requests of a dataset, and the clusters that they and common templates make.

Only the user's turns are compared: shared system prompts and tool lists would make everything look alike.
"""

import duckdb

from tunewright.audit.database import make_in_slices
from tunewright.chat.similar import Clusters, find_near_texts

SIMILARITY = 0.8  # from which two requests count as nearly the same
# Wordings are compared without names and numbers, and only to count what is independent: "hi, " in front changes nothing.
SAME_WORDING = 0.6

_JOINED = "SELECT example, string_agg(lower(content), ' ' ORDER BY position) AS text FROM"
_SAID = f"{_JOINED} messages WHERE role = 'user' AND example BETWEEN $first AND $last GROUP BY example"
_SUITES_SAY = f"INSERT INTO said {_JOINED} suite_texts GROUP BY example"

# The representative of each example's text: pairs of representatives speak for all that say the same.
_SPOKEN_BY = """
CREATE TABLE spoken_by AS
SELECT example, min(example) OVER (PARTITION BY hash(text)) AS speaker FROM said WHERE example > 0
"""

# Texts of suites have numbers below 1 and stand for themselves. Leaks are asked of train: it anchors.
_TEXTS = """
(SELECT t.example AS id, text, coalesce(split = 'train', false) AS anchor
    FROM (SELECT min(example) AS example, any_value(text) AS text FROM said GROUP BY hash(text), example > 0) t
    LEFT JOIN (SELECT example, split FROM examples) USING (example))
"""

# Where each row has a wording of its own there are no templates, and near texts have been found already.
_TEMPLATES = "SELECT count(DISTINCT template_hash) < 0.8 * count(*) FROM examples"
_WORDINGS = """
(SELECT min(example) AS id, any_value(lower(masked)) AS text, false AS anchor FROM examples GROUP BY template_hash)
"""
_NO_PAIRS = "CREATE TABLE near_wordings (a BIGINT, b BIGINT, similarity DOUBLE)"


def find_neighbours(connection: duckdb.DuckDBPyConnection) -> None:
    """Make `near_pairs`, `spoken_by` and `clusters (example, cluster)` from `examples`, `messages` and `suite_texts`."""
    make_in_slices(connection, "said", _SAID)
    connection.execute(_SUITES_SAY)
    connection.execute(_SPOKEN_BY)
    find_near_texts(connection, _TEXTS, SIMILARITY)
    connection.execute("DROP TABLE said")
    if connection.execute(_TEMPLATES).fetchall() == [(True,)]:
        find_near_texts(connection, _WORDINGS, SAME_WORDING, "near_wordings")
    else:
        connection.execute(_NO_PAIRS)
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
        UNION FROM (SELECT a, b FROM near_wordings)
    """)
    clusters = Clusters()
    while page := edges.fetchmany(10_000):
        for a, b in page:
            clusters.join(a, b)
    connection.execute("CREATE TEMP TABLE joined (member BIGINT, root BIGINT)")
    members = list(clusters.roots().items())
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
