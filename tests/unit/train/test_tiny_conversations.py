"""The generator behind the tiny base model's corpus."""

import ast
import itertools
import re
from functools import cache
from random import Random

from tunewright.train.tiny.conversations import Conversation, conversation
from tunewright.train.tiny.evaluate import program_of
from tunewright.train.tiny.invented_tools import FORBIDDEN_TOOLS, household
from tunewright.train.tiny.pretraining_corpus import clean_conversations


@cache
def sample() -> list[Conversation]:
    return list(itertools.islice(clean_conversations(11), 2_000))


def test_the_same_seed_gives_the_same_conversations():
    first, second = Random(5), Random(5)
    assert [conversation(first) for _ in range(200)] == [conversation(second) for _ in range(200)]


def test_another_seed_gives_other_conversations():
    assert conversation(Random(5)) != conversation(Random(6))


def test_no_conversation_names_a_tool_that_the_suites_test():
    pattern = re.compile("|".join(FORBIDDEN_TOOLS))
    named = [m["content"] for c in sample() for m in c.messages if pattern.search(m["content"])]
    assert named == []
    assert not FORBIDDEN_TOOLS & {tool.name for tool in household()}


def test_every_program_parses():
    programs = [
        program_of(m["content"]) for c in sample() for m in c.messages if "<tool_call>" in m["content"]
    ]
    assert len(programs) > 1_000
    for program in programs:
        assert program is not None
        ast.parse(program)


def test_every_text_argument_stands_in_the_conversation_before_the_call():
    for made in sample():
        for value in made.arguments:
            asked = next(m["content"] for m in made.messages if m["role"] == "user")
            # A plain word at the start of a sentence gets a capital.
            assert str(value).lower() in asked.lower()


def test_conversations_differ_in_structure():
    assert {c.kind for c in sample()} == {"call", "chain", "direct"}
    with_system = sum(c.messages[0]["role"] == "system" for c in sample()) / len(sample())
    with_response = sum(any(m["role"] == "tool" for m in c.messages) for c in sample()) / len(sample())
    assert 0.5 < with_system < 0.95
    assert 0.1 < with_response < 0.5
