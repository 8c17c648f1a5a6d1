"""Questions about a piece of code inside the question: read, not looked up. The answers come from its syntax tree.

There are as many as the repositories have short functions. A dataset that wants more direct answers than were written by
hand takes some of them.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
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


_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _count(number: int, word: str) -> str:
    said = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{said} {word}{'' if number == 1 else 's'}"


def _code(names: Sequence[str]) -> str:
    return in_words([f"`{name}`" for name in names])


def _takes(node: Function) -> str:
    names = _parameters(node)
    more = f": {_code(names)}" if names else ""
    return f"`{node.name}` takes {_count(len(names), 'parameter')}{more}."


def _defaults(node: Function) -> str:
    given = node.args
    positional = [a.arg for a in (*given.posonlyargs, *given.args)]
    pairs = list(zip(positional[len(positional) - len(given.defaults) :], given.defaults))
    pairs += [(a.arg, value) for a, value in zip(given.kwonlyargs, given.kw_defaults) if value is not None]
    if not pairs:
        return f"No parameter of `{node.name}` has a default."
    return (
        f"{_count(len(pairs), 'default').capitalize()}: {_code([f'{n}={ast.unparse(v)}' for n, v in pairs])}."
    )


def _raised(node: Function) -> str:
    raised = [inner for inner in _own(node) if isinstance(inner, ast.Raise)]
    names = sorted({ast.unparse(e.func if isinstance(e, ast.Call) else e) for r in raised if (e := r.exc)})
    if not raised:
        return f"Not by itself: there is no `raise` in `{node.name}`, so an error could only come from what it uses."
    again = "the exception that it is handling"
    if not names:
        return f"Only {again}: the `raise` in `{node.name}` is a bare one."
    bare = any(inner.exc is None for inner in raised)
    return f"Yes, it raises {_code(names)}{f', and again {again}' if bare else ''}."


def _generator(node: Function) -> str:
    if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in _own(node)):
        kind = "an asynchronous generator" if isinstance(node, ast.AsyncFunctionDef) else "a generator"
        return f"Yes. There is a `yield` in it, so a call returns {kind} and runs nothing yet."
    kind = "a coroutine function" if isinstance(node, ast.AsyncFunctionDef) else "an ordinary function"
    return f"No, `{node.name}` is {kind}: nothing in its body yields."


def _loops(node: Function) -> str:
    own = list(_own(node))
    loops = sorted(
        (inner.lineno, "while" if isinstance(inner, ast.While) else "for")
        for inner in own
        if isinstance(inner, ast.For | ast.While | ast.AsyncFor)
    )
    if not loops:
        implied = any(isinstance(inner, _COMPREHENSIONS) for inner in own)
        return f"`{node.name}` has no loop{', only a comprehension that iterates' if implied else ' at all'}."
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    where = in_words([f"a `{kind}` in line {line - first + 1}" for line, kind in loops])
    return f"{_count(len(loops), 'loop').capitalize()}: {where}."


def _decorated(node: Function) -> str:
    names = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    return f"It is decorated with {_code(names)}." if names else f"`{node.name}` has no decorator."


# A wording with what answers it; each function of a repository meets one of them.
_WORDINGS: tuple[tuple[str, Callable[[Function], str]], ...] = (
    ("How many parameters does this function take, and which ones?\n\n{code}", _takes),
    ("{code}\n\nwhat can I pass to `{name}`? just the parameter names", _takes),
    ("Which parameters have a default in this code, and what is it?\n\n{code}", _defaults),
    ("{code}\n\nCan `{name}` raise an exception of its own? Which?", _raised),
    ("I'm reading this:\n\n{code}\n\nIs `{name}` a generator?", _generator),
    ("{code}\n\nAny loops in there? Where?", _loops),
    ("Is `{name}` decorated, and with what?\n\n{code}", _decorated),
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
