"""Questions about code that they show: answered as Python itself would answer, and no two nearly alike."""

import ast
import inspect
import re
from random import Random
from types import FunctionType
from typing import Any

import pytest

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.recipe import Data
from tunewright.datagen.corpus import Corpus, installed_corpus
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.direct import Question
from tunewright.datagen.families.snippets import MOST_CHARACTERS, MOST_LINES, snippet_questions
from tunewright.datagen.generate import plan_orders
from tunewright.datagen.no_tool_questions import GROUPS, add_snippets

CODE = """
@cached
def plain(a, b=1, *rest, key, other=None, **more):
    for item in rest:
        if item is None:
            raise ValueError("none")
    return a


def gives(source):
    def inner():
        raise KeyError
    while source:
        yield inner


def too_long():
    return 1
"""


def asked(*corpora: Corpus) -> list[Question]:
    return snippet_questions(list(corpora), SuiteGuard(()), NearDuplicates(), Random(1))


def shown(question: Question) -> ast.FunctionDef:
    (code,) = re.findall(r"```python\n(.*?)\n```", question.text, re.DOTALL)
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


@pytest.mark.parametrize(
    ("wording", "plain", "gives"),
    [
        (
            "How many parameters",
            "`plain` takes six parameters: `a`, `b`, `*rest`, `key`, `other` and `**more`.",
            "`gives` takes one parameter: `source`.",
        ),
        (
            "just the parameter names",
            "`plain` takes six parameters: `a`, `b`, `*rest`, `key`, `other` and `**more`.",
            "`gives` takes one parameter: `source`.",
        ),
        (
            "have a default",
            "Two defaults: `b=1` and `other=None`.",
            "No parameter of `gives` has a default.",
        ),
        (
            "an exception of its own",
            "Yes, it raises `ValueError`.",
            "Not by itself: there is no `raise` in `gives`, so an error could only come from what it uses.",
        ),
        (
            "a generator",
            "No, `plain` is an ordinary function: nothing in its body yields.",
            "Yes. There is a `yield` in it, so a call returns a generator and runs nothing yet.",
        ),
        ("Any loops", "One loop: a `for` in line 3.", "One loop: a `while` in line 4."),
        ("decorated", "It is decorated with `@cached`.", "`gives` has no decorator."),
    ],
)
def test_each_wording_has_the_answer_that_the_code_gives(wording: str, plain: str, gives: str) -> None:
    answers: dict[str, str] = {}
    for seed in range(200):
        # With more or fewer functions next to them, these two meet other wordings.
        padded = [f"def pad{n}():\n    x = {n}\n    return x\n" for n in range(seed % 9)]
        corpus = Corpus("x", "1", {"x/a.py": "\n\n".join([*padded, CODE])})
        found = snippet_questions([corpus], SuiteGuard(()), NearDuplicates(1.1), Random(seed))
        answers |= {shown(q).name: q.answer for q in found if wording in q.template}
    assert answers["plain"] == plain
    assert answers["gives"] == gives


def test_what_is_said_of_real_functions_is_what_python_says() -> None:
    questions = asked(installed_corpus("toolz"), installed_corpus("funcy"))
    assert len(questions) > 100
    checked = 0
    for question in questions:
        node = shown(question)
        node.decorator_list, node.returns = [], None
        names = {"__builtins__": __builtins__}
        try:
            exec(compile(ast.Module([node], []), "snippet", "exec"), names)
        except NameError:
            continue  # a default that only its module knows
        function: Any = names[node.name]
        assert isinstance(function, FunctionType)
        parameters = inspect.signature(function).parameters.values()
        if "parameters does" in question.template or "parameter names" in question.template:
            assert re.findall(r"`\**(\w+)`", question.answer) == [node.name, *(p.name for p in parameters)]
            checked += 1
        elif "default" in question.template:
            given = [p.name for p in parameters if p.default is not inspect.Parameter.empty]
            assert re.findall(r"`(\w+)=", question.answer) == given
            checked += 1
        elif "a generator" in question.template:
            assert question.answer.startswith("Yes") == inspect.isgeneratorfunction(function)
            checked += 1
    assert checked > 40


def test_snippets_are_short_and_no_two_are_nearly_alike() -> None:
    questions = asked(installed_corpus("boltons"))
    near = NearDuplicates()
    for question in questions:
        (code,) = re.findall(r"```python\n(.*?)\n```", question.text, re.DOTALL)
        assert code.count("\n") < MOST_LINES
        assert len(code) <= MOST_CHARACTERS
        assert near.add(question.text)
    assert asked(installed_corpus("boltons")) == questions


def test_most_direct_questions_of_a_large_dataset_show_no_code() -> None:
    """Otherwise a request that shows code needs no call, and a model learns that instead of the request."""
    data = Data(navigation=5000, other=5000)
    written = [Question(f"Why {number}?", "Because.", "Why?", family="direct") for number in range(40)]
    asked = {(group, "train"): list(written) for group in GROUPS}
    sides = {"train": [installed_corpus("boltons")]}
    add_snippets(asked, data, {"train": 0.9}, sides, SuiteGuard(()), 1)
    for questions in asked.values():
        assert questions[:40] == written
        assert [question.family for question in questions[40:]] == ["reading"] * 10
    assert asked["navigation", "train"] != asked["other", "train"]


def test_a_large_dataset_has_as_many_direct_answers_as_there_are_questions_up_to_their_share() -> None:
    data = Data(navigation=5000, other=5000)
    assert sum(not order.tool for order in plan_orders(data, "other", 0.9, {"read_file": 1.0}, 10_000)) == 675
    assert sum(not order.tool for order in plan_orders(data, "other", 0.9, {"read_file": 1.0}, 100)) == 100
