"""`data.families --check`: each family once on a small package, or the reason why it has none."""

from pathlib import Path

from tunewright.contract.recipe import Data
from tunewright.datagen.check_families import try_families
from tunewright.datagen.families.family_file import read_families

FAMILY = """[[family]]
name = "{name}"
kind = "one_call"
tools = ["read_file"]
needs = "file"
requests = ["How many lines has {{path}}?"]
program = "{program}"
answers = ["{answer}"]
"""
COUNT = "print(read_file($path).line_count)"


def test_a_family_shows_an_example_or_says_why_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    families = (
        ("mine.right", COUNT, "It has {out} {out:line|lines}."),
        ("mine.short", COUNT, "It has {out1} lines in {out2}."),
        ("mine.fails", "print(read_file($path).lines)", "{out} lines."),
    )
    path.write_text(
        "\n".join(FAMILY.format(name=n, program=p, answer=a) for n, p, a in families), encoding="utf-8"
    )
    right, short, fails = try_families(read_families(path), Data())
    assert right.made is not None
    assert right.made.work.answer == f"It has {right.made.work.stdout} lines."
    assert (short.made, fails.made) == (None, None)
    assert short.reason == "the output lacks a word that the answer says"
    assert fails.reason.startswith("the program failed")
