"""An answer taken apart: its prose, and its programs as syntax trees."""

import ast
import warnings
from dataclasses import dataclass

from tunewright.chat.calls.code_mode import CallSyntaxError, parse_turn
from tunewright.chat.calls.python_calls import parse_program

LONGEST = 50_000  # characters; an answer of 4,096 tokens has some 15,000


@dataclass(frozen=True)
class Answer:
    """What a model said. `prose` is all text outside of programs."""

    prose: str
    programs: tuple[ast.Module, ...] = ()
    sources: tuple[str, ...] = ()


def parse_answer(text: str) -> Answer:
    """Take an answer apart.

    Raises CallSyntaxError for tags outside a whole call, for what is too long to be judged, and as `parse_code` does.
    """
    if len(text) > LONGEST:
        raise CallSyntaxError(f"it has {len(text):,} characters, too many to be judged")
    turn = parse_turn(text)
    programs = tuple(parse_code(code) for code in turn.programs)
    return Answer("".join((turn.preamble, *turn.between)), programs, turn.programs)


def parse_code(code: str) -> ast.Module:
    """A program's syntax tree. Raises CallSyntaxError for what Python would not run.

    The program is compiled too, because `ast.parse` lets pass what the compiler refuses (`return` outside a
    function), but nothing is ever executed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a model's string is not ours to warn of
        tree = parse_program(code)
        try:
            compile(tree, "<answer>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise CallSyntaxError(f"not a Python program: {error.args[0]}") from error
    return tree
