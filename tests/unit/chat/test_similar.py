"""Near texts: the search in SQL and the incremental one agree on what is near, and clusters are connected components."""

import random
from collections.abc import Iterator, Sequence

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.chat.similar import (
    MIN_WORDS,
    WORDS_IN_SQL,
    Clusters,
    NearDuplicates,
    find_near_texts,
    is_near,
    shingles,
    words_of,
)

# What requests are made of: words, paths, names, marks in and around them, line ends, letters beyond ASCII.
PIECES = st.sampled_from(
    ["find", "every", "place", "it", "x", "foo_bar", "src/app.py", "v1.2", "a-b", "don't", "(see)", "größe", "данные", "名",
     "…", "--", "/usr/", "e.g.", "what?", "now,", "end.", "5", "¿qué", "`code`", "\n", "\t", "..", "_", "-", "U.S."]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map(" ".join)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": "2"}) as made:
        yield made


def search(
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[str],
    threshold: float = 0.8,
    anchors: Sequence[int] = (),
) -> dict[tuple[int, int], float]:
    """The pairs that SQL finds, by their places, with their similarity."""
    connection.execute("CREATE OR REPLACE TABLE texts (id BIGINT, text VARCHAR, anchor BOOLEAN)")
    connection.execute(
        "INSERT INTO texts SELECT unnest($1::BIGINT[]), unnest($2::VARCHAR[]), unnest($3::BOOLEAN[])",
        [list(range(len(texts))), list(texts), [place in anchors for place in range(len(texts))]],
    )
    find_near_texts(connection, "texts", threshold)
    found = connection.execute("FROM near_pairs").fetchall()
    connection.execute("DROP TABLE near_pairs")
    return {(a, b): similarity for a, b, similarity in found}


def test_what_sql_takes_for_words_are_the_words(connection: duckdb.DuckDBPyConnection) -> None:
    generator = random.Random(1)
    texts = [
        "find src/app.py in it, now. Done?",
        "What is v1.2? (see e.g. U.S.)",
        "größe der 5 данные 名 hier",
        "a-b -- /usr/ x_y z.. end\n",
        " ",
        *("".join(generator.choices("ab1_ .,?-/\n'(éÉ", k=60)) for _ in range(3000)),
        *(
            " ".join(generator.choices(("a", "b.c", "d,", "e.", "f?", "g\nh", "i/"), k=9))
            for _ in range(3000)
        ),
    ]
    query = f"SELECT {WORDS_IN_SQL} FROM (SELECT lower(unnest($1::VARCHAR[])) AS t)"
    for text, (found,) in zip(texts, connection.execute(query, [texts]).fetchall(), strict=True):
        assert found == (words_of(text) or [""]), text


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS, max_size=8), threshold=st.sampled_from([0.5, 0.75, 0.8]))
def test_what_sql_finds_is_near(
    connection: duckdb.DuckDBPyConnection, texts: list[str], threshold: float
) -> None:
    for (a, b), similarity in search(connection, texts, threshold).items():
        left, right = shingles(texts[a], 2), shingles(texts[b], 2)
        assert a < b
        assert is_near(left, right, threshold)
        assert similarity == pytest.approx(len(left & right) / len(left | right))
        assert min(len(words_of(texts[a])), len(words_of(texts[b]))) >= MIN_WORDS


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(TEXTS.filter(lambda text: len(words_of(text)) >= MIN_WORDS), max_size=8))
def test_the_same_words_are_always_found(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    doubled = [*texts, *(f"({text} !" for text in texts)]
    found = Clusters(range(len(doubled)))
    for a, b in search(connection, doubled):
        found.join(a, b)
    for place, text in enumerate(texts):
        assert words_of(text) == words_of(doubled[len(texts) + place])
        assert found.find(place) == found.find(len(texts) + place)


@pytest.mark.parametrize("changed", [1, 2])
def test_sql_finds_what_the_incremental_search_finds(
    connection: duckdb.DuckDBPyConnection, changed: int
) -> None:
    """Of texts that are near an earlier one, SQL ties at least 97 in 100 to another text."""
    generator = random.Random(20261128 + changed)
    words = ["".join(generator.choices("abcdefghijklmnop", k=5)) for _ in range(3000)]
    texts: list[str] = []
    for _ in range(1500):
        said = generator.choices(words, k=generator.randint(15 * changed, 40 * changed))
        texts.append(" ".join(said))
        for place in generator.sample(range(len(said)), changed):
            said[place] = generator.choice(words)
        texts.append(" ".join(said))
    near = NearDuplicates(0.8)
    repeated = {place for place, text in enumerate(texts) if near.add_all(text)}
    found = {place for pair in search(connection, texts) for place in pair}
    assert len(repeated) > 500, "there is something to find"
    assert len(repeated - found) <= 0.03 * len(repeated)


def test_texts_that_share_nothing_are_not_near(connection: duckdb.DuckDBPyConnection) -> None:
    assert (
        search(
            connection, [" ".join(f"word{number}x{place}" for place in range(10)) for number in range(300)]
        )
        == {}
    )


def test_an_anchor_is_compared_with_what_is_near_it_although_another_came_first(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    same = "one two three four five six seven eight nine"
    assert (1, 2) not in search(connection, [same] * 3)
    assert (1, 2) in search(connection, [same] * 3, anchors=[1])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=40))
def test_clusters_are_connected_components(edges: list[tuple[int, int]]) -> None:
    clusters = Clusters(range(21))
    component = {member: {member} for member in range(21)}
    for a, b in edges:
        clusters.join(a, b)
        if component[a] is not component[b]:
            component[a] |= component[b]
            for member in component[b]:
                component[member] = component[a]
    assert clusters.roots() == {member: min(component[member]) for member in range(21)}
    assert clusters.sizes() == {min(members): len(members) for members in component.values()}
