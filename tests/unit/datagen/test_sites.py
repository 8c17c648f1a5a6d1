"""Places that requests can point at."""

from tunewright.datagen.corpus import Corpus
from tunewright.datagen.sites import symbol_sites

TWICE = "def double(x):\n    return x\n\n\ndef start():\n    return double(1) + double(2)\n\n\nvalue = double(3)\n"


def test_a_name_that_stands_twice_on_its_line_is_not_asked_about() -> None:
    corpus = Corpus("demo", "1", {"a.py": TWICE})
    found = {(slots["symbol"], slots["line"]) for slots in symbol_sites(corpus)}
    assert found == {("double", 1), ("start", 5), ("double", 9)}
