"""A small repository that the engines of data generation are asked about."""

from tunewright.datagen.corpus import Corpus

APP = '''\
"""An app."""
import os
from lib import greet, Greeter


def main() -> int:
    print(greet("ä𝄞"), greet("b"))
    return "no"


class Loud(Greeter):
    pass
'''
LIB = '''\
def greet(name):
    """Say hello."""
    return "hello " + name


class Greeter:
    pass
'''
TEST = """\
from lib import greet


def test_right():
    assert greet("a") == "hello a"


def test_wrong():
    assert greet("a") == "bye"
"""
CORPUS = Corpus("demo", "1", {"app.py": APP, "lib.py": LIB, "test_lib.py": TEST, "note_ä.py": "x = 1\n"})
