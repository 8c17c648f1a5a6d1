"""Questions about a piece of code inside the question: read, not looked up. The answers come from its syntax tree.

There are as many as the repositories have short functions, so that large datasets keep their share of answers
without a call.
"""

import ast
from collections.abc import Callable, Iterator
from random import Random
from textwrap import dedent

from tunewright.chat.similar import NearDuplicates
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.direct import Question
from tunewright.datagen.families.fields import in_words

MOST_LINES = 12
MOST_CHARACTERS = 420
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _parameters(node: Function) -> list[str]:
    given = node.args
    listed = [a.arg for a in (*given.posonlyargs, *given.args)]
    listed += [f"*{given.vararg.arg}"] if given.vararg else []
    listed += [a.arg for a in given.kwonlyargs]
    return listed + ([f"**{given.kwarg.arg}"] if given.kwarg else [])


def _own(node: Function) -> Iterator[ast.AST]:
    """What runs when the function runs: not the bodies of functions and classes in it."""
    stack: list[ast.AST] = list(node.body)
    while stack:
        inner = stack.pop()
        yield inner
        if not isinstance(inner, Function | ast.ClassDef | ast.Lambda):
            stack += ast.iter_child_nodes(inner)


def _how_many(node: Function) -> str:
    names = _parameters(node)
    return f"{len(names)}: {in_words(names)}." if names else "None."


def _defaults(node: Function) -> str:
    given = node.args
    positional = [a.arg for a in (*given.posonlyargs, *given.args)]
    names = positional[len(positional) - len(given.defaults) :]
    names += [a.arg for a, default in zip(given.kwonlyargs, given.kw_defaults) if default is not None]
    return f"{in_words(names)}." if names else "None has one."


def _raised(node: Function) -> str:
    found: list[str] = []
    for inner in _own(node):
        if isinstance(inner, ast.Raise):
            value = inner.exc.func if isinstance(inner.exc, ast.Call) else inner.exc
            found.append(ast.unparse(value) if value else "the error it is handling")
    names = sorted(set(found))
    return f"Yes: {in_words(names)}." if names else "No, it has no raise statement."


def _generator(node: Function) -> str:
    yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own(node))
    return "Yes, it yields." if yields else "No, nothing in it yields."


def _loops(node: Function) -> str:
    count = sum(isinstance(inner, ast.For | ast.While | ast.AsyncFor) for inner in _own(node))
    return "It has no loop." if not count else f"It has {count} loop{'s' if count > 1 else ''}."


def _decorated(node: Function) -> str:
    names = [ast.unparse(decorator) for decorator in node.decorator_list]
    return f"By {in_words(names)}." if names else "By nothing."


# A wording with what answers it; each function of a repository meets one of them.
_WORDINGS: tuple[tuple[str, Callable[[Function], str]], ...] = (
    ("How many parameters does this function take, and which?\n\n{code}", _how_many),
    ("Name the parameters of `{name}` here:\n\n{code}", _how_many),
    ("Which parameters have a default in this code?\n\n{code}", _defaults),
    ("{code}\n\nDoes `{name}` raise an error itself, and which?", _raised),
    ("Look at this:\n\n{code}\n\nIs `{name}` a generator?", _generator),
    ("{code}\n\nHow many loops does that function have?", _loops),
    ("By what is `{name}` decorated?\n\n{code}", _decorated),
)


def snippet_questions(
    corpora: list[Corpus], guard: SuiteGuard, near: NearDuplicates, random: Random
) -> list[Question]:
    """One question for each short function of the repositories, in random order; none nearly like another."""
    found = [(corpus, node, code) for corpus in corpora for node, code in _short_functions(corpus)]
    random.shuffle(found)
    kept: list[Question] = []
    for number, (_, node, code) in enumerate(found):
        wording, answer = _WORDINGS[number % len(_WORDINGS)]
        text = wording.format(name=node.name, code=f"```python\n{code}\n```")
        if guard.reason(text, wording, [node.name]) is None and near.add(text):
            kept.append(Question(text, answer(node), wording, family="reading"))
    return kept


def _short_functions(corpus: Corpus) -> Iterator[tuple[Function, str]]:
    for file, tree in corpus.trees.items():
        lines = corpus.files[file].splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, Function) or node.name.startswith("__"):
                continue
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            code = dedent("\n".join(lines[first - 1 : node.end_lineno]))
            if 3 <= code.count("\n") + 1 <= MOST_LINES and len(code) <= MOST_CHARACTERS and "```" not in code:
                yield node, code
