"""Small faults put into a corpus's own tests, so that there is something to find: a comparison turned round."""

import ast
from dataclasses import replace
from random import Random

from tunewright.datagen.corpus import Corpus

SHARE = 0.5  # of the test files that get faults
MOST = 3  # faults in one file

_TURNED = {"assertEqual": "assertNotEqual", "assertTrue": "assertFalse", "assertIn": "assertNotIn"}


def with_failing_tests(corpus: Corpus, random: Random) -> Corpus:
    """The corpus with a few of its assertions turned into their opposites.

    Lines keep their numbers, so whatever is true about places stays true.
    """
    files = dict(corpus.files)
    for path in corpus.tests:
        tree = corpus.trees.get(path)
        if tree is None or random.random() >= SHARE:
            continue
        places = list(_turnable(tree))
        random.shuffle(places)
        lines = files[path].split("\n")
        for line, column, old, new in places[: random.randint(1, MOST)]:
            text = lines[line - 1]
            at = text.find(old, column)
            if at >= 0:
                lines[line - 1] = text[:at] + new + text[at + len(old) :]
        changed = "\n".join(lines)
        try:
            ast.parse(changed)
        except SyntaxError:
            continue
        files[path] = changed
    return replace(corpus, files=files)


def _turnable(tree: ast.Module) -> list[tuple[int, int, str, str]]:
    """One `(line, column, old, new)` a test: the first assertion in it that can be turned round."""
    found: list[tuple[int, int, str, str]] = []
    for function in ast.walk(tree):
        if not (isinstance(function, ast.FunctionDef) and function.name.startswith("test")):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                compare = node.test
                one_line = compare.lineno == compare.comparators[0].lineno
                if one_line and len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq):
                    found.append((compare.lineno, compare.left.end_col_offset or 0, "==", "!="))
                    break
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                turned = _TURNED.get(node.func.attr)
                if turned is not None and node.func.lineno == node.func.end_lineno:
                    found.append((node.func.lineno, node.func.col_offset, node.func.attr, turned))
                    break
    return found
