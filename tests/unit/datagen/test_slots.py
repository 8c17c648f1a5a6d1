"""Places that requests can point at."""

import re
from random import Random

import pytest

from tunewright.datagen.corpus import Corpus
from tunewright.datagen.families.scenario import Site
from tunewright.datagen.slots import SLOW_COMMANDS, Slots, sites_of, symbol_sites

TWICE = "def double(x):\n    return x\n\n\ndef start():\n    return double(1) + double(2)\n\n\nvalue = double(3)\n"


def test_a_name_that_stands_twice_on_its_line_is_not_asked_about() -> None:
    corpus = Corpus("demo", "1", {"a.py": TWICE})
    found = {(slots["symbol"], slots["line"]) for slots in symbol_sites(corpus)}
    assert found == {("double", 1), ("start", 5), ("double", 9)}


def test_a_name_that_is_also_a_variable_of_the_file_is_not_asked_about() -> None:
    text = "def count(items):\n    return len(items)\n\n\ndef show(count):\n    print(count)\n"
    found = {(slots["symbol"], slots["line"]) for slots in symbol_sites(Corpus("demo", "1", {"a.py": text}))}
    assert found == {("count", 1), ("show", 5)}


FILES = {f"lib/part{n}.py": f"def part_{n}(x):\n    return x\n\n\nvalue = part_{n}(1)\n" for n in range(8)}


def is_there(slots: Slots) -> bool:
    if "symbol" in slots:
        return str(slots["symbol"]) in FILES[str(slots["file"])].split("\n")[int(slots["line"]) - 1]
    if "query" in slots:
        return any(f"def {slots['query']}(" in text for text in FILES.values())
    if "content" in slots:
        return not str(slots["path"]).startswith("../")
    return slots["path"] in FILES


@pytest.mark.parametrize("site", ["maybe_symbol", "maybe_query", "maybe_outside", "missing_file"])
def test_where_work_may_fail_about_as_much_does_not(site: Site) -> None:
    found = [is_there(slots) for slots in sites_of(Corpus("demo", "1", FILES), site, Random(1))]
    assert 0.4 < sum(found) / len(found) < 0.6
    assert len(set(found[:8])) == 2


USES = (
    "class Box:\n    pass\n\n\ndef fill(box):\n    return box\n\n\ndef test_fill():\n    check = fill\n"
    "    assert check(1) == fill(1)\n\n\ndef setUp():\n    return fill(Box())\n\n\nclass MyBox(Box):\n    pass\n"
)


def test_nobody_asks_for_what_only_a_test_runner_calls() -> None:
    corpus = Corpus("demo", "1", {"a.py": USES})
    assert {slots["symbol"] for slots in sites_of(corpus, "definition", Random(1))} == {"fill", "MyBox"}
    assert {slots["query"] for slots in sites_of(corpus, "query", Random(1))} == {"fill", "MyBox"}


def test_a_signature_is_asked_for_where_there_is_one() -> None:
    corpus = Corpus("demo", "1", {"a.py": USES.replace("Box", "Crate")})
    calls = {(slots["symbol"], slots["line"]) for slots in sites_of(corpus, "call", Random(1))}
    assert calls == {("fill", 11), ("fill", 15), ("Crate", 15)}
    assert [slots["query"] for slots in sites_of(corpus, "unique_function", Random(1))] == ["fill"]


CLASS = """\
class Reader:
    def __init__(self, source):
        self.source = source
        self.buffer = ReaderBuffer(source, self.source_name)

    def read(self):
        return self.buffer.read() or self.buffer.rest()

    def size(self):
        print(self.__doc__)
        return len(self.source)
"""
CODE = Corpus("demo", "1", {f"lib/part{n}.py": CLASS.replace("Reader", f"Reader{n}") for n in range(24)})


def line_of(slots: Slots) -> str:
    return CODE.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1]


@pytest.mark.parametrize("site", ["prefix", "maybe_member"])
def test_a_prefix_is_once_on_its_line_and_looks_like_code(site: Site) -> None:
    found = sites_of(CODE, site, Random(1))
    assert len(found) > 20
    for slots in found:
        prefix = str(slots["prefix"])
        assert len(re.findall(rf"(?<!\w){re.escape(prefix)}", line_of(slots))) == 1
        assert re.search(r"[A-Z_.]", prefix)
        assert not re.search(r"\w$", prefix) or re.search(rf"(?<!\w){re.escape(prefix)}\w", line_of(slots))
    # The one is twice on its line, the other is the only place of its name, which is offered after an underscore alone.
    assert not {"self.buffer.", "self.__"} & {str(slots["prefix"]) for slots in found}
    assert {str(slots["prefix"])[-1] == "." for slots in found} == {True, False}
    if site == "maybe_member":
        assert {"." in str(slots["prefix"]) for slots in found} == {True}
        there = [re.search(rf"\b{slots['member']}\b", line_of(slots)) is not None for slots in found]
        assert 0.4 < sum(there) / len(there) < 0.8
        assert all(
            str(slots["member"]).startswith(str(slots["prefix"]).rpartition(".")[2]) for slots in found
        )


def test_about_as_many_prefixes_are_on_their_line_as_on_another_one() -> None:
    there = [str(slots["prefix"]) in line_of(slots) for slots in sites_of(CODE, "maybe_prefix", Random(1))]
    assert 0.4 < sum(there) / len(there) < 0.7


def test_slow_commands_name_a_file_of_the_repository_and_are_few() -> None:
    found = sites_of(Corpus("demo", "1", FILES), "slow_command", Random(1))
    assert len(found) == len(SLOW_COMMANDS)
    assert all("{" not in str(slots["command"]) for slots in found)
    assert any(file in str(slots["command"]) for slots in found for file in FILES)


def test_commands_that_may_be_slow_are_the_slow_ones_and_some_others() -> None:
    found = [str(s["command"]) for s in sites_of(Corpus("demo", "1", FILES), "maybe_slow_command", Random(1))]
    slow = [command for command in found if command.startswith(("tail", "while"))]
    assert len(slow) == len(SLOW_COMMANDS)
    assert set(found) - set(slow) == {"grep -rn import lib", "grep -rn def lib", "wc -l lib/*.py"}


def test_a_command_that_is_called_a_list_finds_more_than_one_line_of_a_file() -> None:
    files = {"a.py": "import os\nimport re\n\n\nclass A: ...\n", "b.py": "def f(): ...\n"}
    found = {str(s["command"]) for s in sites_of(Corpus("demo", "1", files), "listing_command", Random(1))}
    assert found == {"grep -n import a.py"}


@pytest.mark.parametrize(
    ("site", "slot", "code"), [("file+other", "other", False), ("file+copy", "copy", True)]
)
def test_a_number_is_saved_under_another_kind_of_name_than_a_copy_of_code(
    site: Site, slot: str, code: bool
) -> None:
    found = sites_of(Corpus("demo", "1", FILES), site, Random(1))
    assert {str(slots["path"]) for slots in found} == set(FILES)
    assert {str(slots[slot]).endswith(".py") for slots in found} == {code}
