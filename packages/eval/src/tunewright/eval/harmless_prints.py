"""Harmless rewrites of what is printed, and of names."""

import ast
from collections.abc import Callable, Iterable, Iterator

from tunewright.eval.rewrites import (
    Change,
    Program,
    all_at_once,
    everywhere,
    expression,
    harmless_rewrite,
    is_print,
    joined_text,
    prints,
    said,
    statements,
)


def _print(make: Callable[[ast.Call], "ast.AST | None"]) -> Callable[[Program], Change]:
    return lambda program: (
        lambda node: make(node) if isinstance(node, ast.Call) and is_print(node) and node.args else None
    )


def _option(name: str, value: str) -> Callable[[ast.Call], ast.AST]:
    def make(call: ast.Call) -> ast.AST:
        call.keywords.append(ast.keyword(name, expression(value)))
        return call

    return make


def _text(call: ast.Call) -> ast.AST:
    call.args = [expression(f"str({said(argument)})") for argument in call.args]
    return call


def _formatted(call: ast.Call) -> ast.AST:
    call.args = [
        expression(
            "'" + " ".join(["{}"] * len(call.args)) + "'.format(" + ", ".join(map(said, call.args)) + ")"
        )
    ]
    return call


def _percent(call: ast.Call) -> ast.AST:
    call.args = [
        expression("'" + " ".join(["%s"] * len(call.args)) + "' % (" + ", ".join(map(said, call.args)) + ",)")
    ]
    return call


def _padded(call: ast.Call) -> ast.AST:
    call.args = [expression(f"format(str({said(argument)}), '>12')") for argument in call.args]
    return call


def _labelled(call: ast.Call) -> ast.AST | None:
    if isinstance(call.args[0], ast.Constant):
        return None
    call.args.insert(0, ast.Constant("->"))
    return call


def _json(call: ast.Call) -> ast.AST:
    call.args = [expression(f"json.dumps([{', '.join(map(said, call.args))}])")]
    return call


everywhere("print_to_stderr", _print(_option("file", "sys.stderr")), "import sys\n")
everywhere("print_flushed", _print(_option("flush", "True")))
everywhere("print_separated", _print(_option("sep", "', '")))
everywhere("print_end", _print(_option("end", "'\\n\\n'")))
everywhere("print_as_text", _print(_text))
everywhere("print_formatted", _print(_formatted))
everywhere("print_percent", _print(_percent))
everywhere("print_padded", _print(_padded))
everywhere("print_with_arrow", _print(_labelled))
everywhere("print_json", _print(_json), "import json\n")
everywhere(
    "write_to_stdout",
    _print(lambda call: expression(f"sys.stdout.write({joined_text(call)} + '\\n')")),
    "import sys\n",
)
everywhere(
    "logged",
    _print(lambda call: expression(f"logging.info({joined_text(call)})")),
    "import logging\nlogging.basicConfig(level=logging.INFO, format='%(message)s')\n",
)


@harmless_rewrite("labelled_by_field")
def _by_field(program: Program) -> Iterable[str]:
    """Each value under its own name."""

    def change(node: ast.AST) -> ast.AST | None:
        if not (isinstance(node, ast.Call) and is_print(node) and node.args):
            return None
        named = [argument for argument in node.args if isinstance(argument, ast.Attribute)]
        if len(named) != len(node.args):
            return None
        node.args = [
            part for value in named for part in (ast.Constant(f"{value.attr.replace('_', ' ')}:"), value)
        ]
        return node

    return all_at_once(program, change)


@harmless_rewrite("one_print_a_value")
def _one_a_value(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> "list[ast.stmt] | None":
        call = prints(node)
        if call is None or len(call.args) < 2 or call.keywords:
            return None
        return [statement for argument in call.args for statement in statements(f"print({said(argument)})")]

    return all_at_once(program, change)


@harmless_rewrite("renamed")
def _renamed(program: Program) -> Iterator[str]:
    own = {
        node.id
        for node in ast.walk(program.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Name) and node.id in own and not node.id.startswith("the_"):
            node.id = f"the_{node.id}"
            return node
        return None

    yield from all_at_once(program, change)


@harmless_rewrite("annotated")
def _annotated(program: Program) -> Iterator[str]:
    def change(node: ast.AST) -> "ast.AST | None":
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return statements(f"{said(node.targets[0])}: object = {said(node.value)}")[0]
        return None

    yield from all_at_once(program, change)


@harmless_rewrite("deleted_after_use")
def _deleted(program: Program) -> Iterator[str]:
    names = [
        s.targets[0].id
        for s in program.tree.body
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
    ]
    if names:
        yield f"{program.source.rstrip()}\ndel {', '.join(dict.fromkeys(names))}\n"


@harmless_rewrite("checked_before_use")
def _checked(program: Program) -> Iterator[str]:
    """A result that is not there is told, before it is used."""
    body = program.tree.body
    first = body[0]
    if isinstance(first, ast.Assign) and program.is_tool(first.value) and not program.conditional:
        name = said(first.targets[0])
        if "locations" in program.source:
            rest = "\n".join("    " + line for s in body[1:] for line in said(s).splitlines())
            yield f"{said(first)}\nif not {name}.success:\n    print('Nothing was found.')\nelse:\n{rest}\n"
