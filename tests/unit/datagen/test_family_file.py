"""Families come from TOML; what is wrong in a file is said with the file, the family and the key."""

from pathlib import Path
from typing import get_args

import pytest

from tunewright.contract.catalog import load_catalog
from tunewright.contract.errors import UserError
from tunewright.datagen.families.family_file import own_families, read_families
from tunewright.datagen.families.scenario import Site

GOOD = """[[family]]
name = "mine.todo"
kind = "iteration"
tools = ["read_file"]
needs = "file"
requests = ["Which lines of {path} still say TODO?"]
program = '''
source = read_file($path)
for text in source.content.splitlines():
    if "TODO" in text:
        print(text)
'''
answers = ["{n} of them: {items}."]
nothing = ["No TODO in {path}."]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_family_is_read_as_it_is_written(tmp_path: Path) -> None:
    [family] = own_families([written(tmp_path, GOOD)], load_catalog("coding"))
    assert (family.tool, family.needs, family.kind) == ("read_file", "file", "iteration")
    assert family.fill_program({"path": "a.py"}).startswith('source = read_file("a.py")\nfor text')
    assert (
        family.fill_answer({"path": "a.py"}, "# TODO one\n# TODO two") == "2 of them: # TODO one, # TODO two."
    )
    assert family.fill_answer({"path": "a.py"}, "") == "No TODO in a.py."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind =", "king =", "mine.toml: family mine.todo: kind: Field required"),
        ("nothing =", "notting =", "mine.toml: family mine.todo: notting: Extra inputs are not permitted"),
        ('"iteration"', '"loops"', "mine.toml: family mine.todo: kind: Input should be"),
        ('"file"', '"flie"', "mine.toml: family mine.todo: needs: Input should be"),
        ('["read_file"]', "[]", "mine.toml: family mine.todo: tools: Tuple should have at least 1 item"),
        ('["read_file"]', '"read_file"', "mine.toml: family mine.todo: tools: Input should be a valid tuple"),
        ('["read_file"]', '["red_file"]', "mine.toml: family mine.todo: program: does not call red_file"),
        ("{n} of them", "{m} of them", "mine.toml: family mine.todo: answers: {m} is not filled here"),
        (
            "{n} of them",
            "{after1} it is",
            "mine.toml: family mine.todo: answers: {after1} is not filled here",
        ),
        (
            "{n} of them",
            "{n:One|All {n} of them}",
            "mine.toml: family mine.todo: answers: '{n:One|All {n} of them}: {items}.' has a slot within a slot",
        ),
        ("in {path}", "in {items}", "mine.toml: family mine.todo: nothing: {items} is not filled here"),
        (
            "of {path}",
            "of {paht}",
            "mine.toml: family mine.todo: requests: {paht} is not filled by needs = 'file'",
        ),
        ("of {path} still", "still", "does not say {path}, which the program uses"),
        ("$path", "$file", "mine.toml: family mine.todo: program: $file is not filled by needs = 'file'"),
        ("splitlines():", "splitlines()", "mine.toml: family mine.todo: program: not Python"),
        ('answers = ["{n} of them: {items}."]', "", "mine.toml: family mine.todo: answers: there is none"),
        ("[[family]]", "[family]", "mine.toml: family: not a list of tables"),
        ("[[family]]", "[[famly]]", "mine.toml: famly: unknown key"),
        ("[[family]]", "[[family", "mine.toml: not TOML"),
        ('"mine.todo"', '"read.count"', "mine.toml: family read.count: name: "),
        (GOOD, GOOD + GOOD, "mine.toml: family mine.todo: name: is there twice"),
        (GOOD, "", "mine.toml: no family in it"),
    ],
)
def test_a_wrong_file_is_refused_with_file_family_and_key(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as caught:
        own_families([written(tmp_path, GOOD.replace(old, new, 1))], load_catalog("coding"))
    assert said in caught.value.message
    assert caught.value.hint


def test_a_tool_that_the_catalog_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"mine\.toml: family mine\.todo: tools: the catalog coding has no read_file"
    ):
        own_families([written(tmp_path, GOOD)], load_catalog("coding").only("git_log"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.toml: cannot be read"):
        read_families(tmp_path / "none.toml")


VARIANTS = (
    GOOD.replace("TODO", "<word>")
    + 'variants = [{ name = "todo", word = "TODO" }, { name = "fix", word = "FIXME" }]\n'
)


def test_a_family_may_have_variants(tmp_path: Path) -> None:
    todo, fix = own_families([written(tmp_path, VARIANTS)], load_catalog("coding"))
    assert (todo.name, fix.name) == ("mine.todo.todo", "mine.todo.fix")
    assert fix.requests == ("Which lines of {path} still say FIXME?",)
    assert '"FIXME" in text' in fix.program
    assert fix.nothing == ("No FIXME in {path}.",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'word = "FIXME"',
            'ward = "FIXME"',
            "mine.toml: family mine.todo: variants: fix has nothing for <word>",
        ),
        ('word = "FIXME"', "word = 1", "variants: number 2 is not a table of texts"),
        ('name = "fix", ', "", "variants: number 2 is not a table of texts with a name"),
        ("variants = [", "variants = 1 #", "variants: not a list of tables"),
    ],
)
def test_a_wrong_variant_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in VARIANTS
    with pytest.raises(UserError) as caught:
        own_families([written(tmp_path, VARIANTS.replace(old, new))], load_catalog("coding"))
    assert said in caught.value.message


def test_the_example_of_the_page_is_a_family(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "families.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    [family] = own_families([written(tmp_path, example)], load_catalog("coding"))
    assert family.name == "todo.lines"
    missing = {
        key for key in type(family).model_fields if f"`{key}`" not in page and f"family.{key}]" not in page
    }
    assert not missing
    assert not {need for need in get_args(Site) if f"`{need.partition('+')[0]}`" not in page}
