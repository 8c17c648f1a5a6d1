"""Harmless rewrites of a whole program, and of its calls."""

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise

from tunewright.eval.rewrites import (
    HARMLESS,
    Change,
    Program,
    all_at_once,
    everywhere,
    expression,
    harmless_rewrite,
    said,
    wrapped,
)

for _name, _template in {
    "main_function": "def main():\n    PROGRAM\nmain()",
    "main_guard": "def main():\n    PROGRAM\nif __name__ == '__main__':\n    main()",
    "class_run": "class Job:\n    def run(self):\n        PROGRAM\nJob().run()",
    "class_init": "class Job:\n    def __init__(self):\n        PROGRAM\nJob()",
    "static_method": "class Job:\n    @staticmethod\n    def run():\n        PROGRAM\nJob.run()",
    "asyncio_run": "import asyncio\nasync def main():\n    PROGRAM\nasyncio.run(main())",
    "generator_consumed": "def main():\n    PROGRAM\n    yield None\nlist(main())",
    "if_true": "if True:\n    PROGRAM",
    "loop_once": "for _ in range(1):\n    PROGRAM",
    "while_break": "while True:\n    PROGRAM\n    break",
    "nested_function": "def outer():\n    def inner():\n        PROGRAM\n    inner()\nouter()",
    "partial_called": "from functools import partial\ndef main():\n    PROGRAM\npartial(main)()",
    "lambda_called": "def main():\n    PROGRAM\n(lambda: main())()",
    "null_context": "from contextlib import nullcontext\nwith nullcontext():\n    PROGRAM",
    "try_print": "try:\n    PROGRAM\nexcept Exception as error:\n    print(f'It failed: {type(error).__name__}')",
    "try_raise": "try:\n    PROGRAM\nexcept ValueError:\n    raise",
    "try_finally": "try:\n    PROGRAM\nfinally:\n    pass",
    "docstring": '"""Do what was asked for."""\n# step by step\nPROGRAM',
    "unused_imports": "import json, os, re, sys\nfrom typing import Any\nPROGRAM",
    "exit_at_end": "import sys\nPROGRAM\nsys.exit(0)",
    "buffer_shown": (
        "import contextlib, io\nbuffer = io.StringIO()\nwith contextlib.redirect_stdout(buffer):\n    PROGRAM\n"
        "print(buffer.getvalue(), end='')"
    ),
    "print_collected": (
        "import builtins\nlines = []\ndef print(*values, sep=' ', end='\\n', **options):\n"
        "    lines.append(sep.join(str(value) for value in values))\nPROGRAM\nbuiltins.print('\\n'.join(lines))"
    ),
    "heading": "print('Result:')\nPROGRAM",
    "decorated": "def once(function):\n    function()\n    return function\n@once\ndef main():\n    PROGRAM",
    "short_circuit_reached": "def main():\n    PROGRAM\nTrue and main()",
    "exit_stack": "from contextlib import ExitStack\nwith ExitStack() as stack:\n    PROGRAM",
}.items():
    HARMLESS[_name] = wrapped(_template)


def _call(make: Callable[[Program, ast.Call], "ast.AST | None"]) -> Callable[[Program], Change]:
    def bound(program: Program) -> Change:
        return lambda node: (
            make(program, node) if isinstance(node, ast.Call) and program.is_tool(node) else None
        )

    return bound


def _names(program: Program, node: ast.Call) -> tuple[str, ...]:
    tool = program.catalog.tool(said(node.func))
    assert tool is not None
    return tool.parameter_names


def _named(program: Program, node: ast.Call) -> ast.AST | None:
    names = _names(program, node)
    node.keywords = [ast.keyword(name, value) for name, value in zip(names, node.args)] + node.keywords
    node.args = []
    return node


def _named_backwards(program: Program, node: ast.Call) -> ast.AST | None:
    _named(program, node)
    node.keywords.reverse()
    return node


def _unpacked(program: Program, node: ast.Call) -> ast.AST | None:
    node.args = [ast.Starred(ast.List(node.args, ast.Load()), ast.Load())]
    return node


def _unpacked_named(program: Program, node: ast.Call) -> ast.AST | None:
    pairs = ", ".join(f"{name!r}: {said(value)}" for name, value in zip(_names(program, node), node.args))
    node.args = []
    node.keywords.append(ast.keyword(None, expression(f"{{{pairs}}}")))
    return node


def _partly(program: Program, node: ast.Call) -> ast.AST | None:
    if not node.args:
        return None
    first, node.args = node.args[0], node.args[1:]
    node.func = expression(f"functools.partial({said(node.func)}, {said(first)})")
    return node


def _looked_up(program: Program, node: ast.Call) -> ast.AST | None:
    node.func = expression(f"{{'tool': {said(node.func)}}}['tool']")
    return node


def _through_lambda(program: Program, node: ast.Call) -> ast.AST | None:
    node.func = expression(f"(lambda *a, **k: {said(node.func)}(*a, **k))")
    return node


def _default_given(program: Program, node: ast.Call) -> ast.AST | None:
    tool = program.catalog.tool(said(node.func))
    assert tool is not None
    given = {keyword.arg for keyword in node.keywords}
    missing = [p for p in tool.parameters if not p.required and p.name not in given]
    if not missing:
        return None
    node.keywords += [ast.keyword(p.name, ast.Constant(p.default)) for p in missing]
    return node


def _path(form: Callable[[str], str]) -> Callable[[Program], Change]:
    def make(program: Program, node: ast.Call) -> ast.AST | None:
        changed = False
        for place, (name, value) in enumerate(zip(_names(program, node), node.args)):
            if name in ("file", "path") and isinstance(value, ast.Constant):
                node.args[place] = expression(form(str(value.value)))
                changed = True
        return node if changed else None

    return _call(make)


everywhere("named_arguments", _call(_named))
everywhere("named_backwards", _call(_named_backwards))
everywhere("unpacked_list", _call(_unpacked))
everywhere("unpacked_dict", _call(_unpacked_named))
everywhere("partial", _call(_partly), "import functools\n")
everywhere("tool_in_dict", _call(_looked_up))
everywhere("tool_through_lambda", _call(_through_lambda))
everywhere("default_given", _call(_default_given))
everywhere("dot_slash", _path(lambda path: repr("./" + path)))
everywhere("double_slash", _path(lambda path: repr(path.replace("/", "//"))))
everywhere(
    "joined_path", _path(lambda path: f"os.path.join({', '.join(map(repr, path.split('/')))})"), "import os\n"
)
everywhere("pathlib", _path(lambda path: f"str(pathlib.Path({path!r}))"), "import pathlib\n")
everywhere("split_text", _path(lambda path: f"{path[:3]!r} + {path[3:]!r}"))


@harmless_rewrite("helper_function")
def _helper(program: Program) -> Iterator[str]:
    tools = {
        said(node.func)
        for node in ast.walk(program.tree)
        if isinstance(node, ast.Call) and program.is_tool(node)
    }
    defined = "".join(f"def call_{tool}(*a, **k):\n    return {tool}(*a, **k)\n" for tool in sorted(tools))

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Call) and program.is_tool(node):
            node.func = ast.Name(f"call_{said(node.func)}", ast.Load())
            return node
        return None

    yield from (defined + code for code in all_at_once(program, change))


@harmless_rewrite("independent_swapped")
def _swapped(program: Program) -> Iterator[str]:
    """Two reads that do not depend on each other, the other way round."""
    body = program.tree.body
    for place, (first, second) in enumerate(pairwise(body)):
        if not (isinstance(first, ast.Assign) and isinstance(second, ast.Assign)):
            continue
        both = (first, second)
        literal = all(
            program.is_tool(s.value)
            and all(isinstance(a, ast.Constant) for a in s.value.args)  # type: ignore[attr-defined]
            and said(s.value.func).split("_")[0] not in ("write", "run")  # type: ignore[attr-defined]
            for s in both
        )
        if literal:
            yield ast.unparse(ast.Module([*body[:place], second, first, *body[place + 2 :]], []))
