"""Programs changed one place at a time: the ground that mutants and harmless rewrites are built on."""

import ast
import copy
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case

# What a changed node becomes; None where the operator does not apply to it.
Change = Callable[[ast.AST], "ast.AST | list[ast.stmt] | None"]


@dataclass(frozen=True)
class Program:
    """A gold program that operators change."""

    source: str
    case: Case
    catalog: Catalog

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @property
    def strict(self) -> bool:
        """Whether the request names what is to be shown."""
        return bool(self.case.expect.fields)

    @property
    def conditional(self) -> bool:
        return any(entry.startswith("if") for entry in self.case.expect.control)

    def kind(self, field: str) -> str:
        """The type of a field, wherever the catalog has one of that name; empty when it has none."""
        for fields in (*(tool.result for tool in self.catalog.tools), *self.catalog.types.values()):
            if field in fields:
                return fields[field]
        return ""

    def is_tool(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (
            self.catalog.tool(node.func.id) is not None
        )  # fmt: skip


Operator = Callable[[Program], Iterable[str]]


class _At(ast.NodeTransformer):
    def __init__(self, change: Change, wanted: int) -> None:
        self.change = change
        self.wanted = wanted
        self.seen = 0

    def visit(self, node: ast.AST) -> "ast.AST | list[ast.stmt]":
        changed = self.change(copy.deepcopy(node))
        if changed is not None:
            self.seen += 1
            if self.wanted in (0, self.seen):
                return changed
        return super().visit(node)


def one_by_one(program: Program, change: Change) -> Iterator[str]:
    """The program with each applicable place changed in turn."""
    wanted = 1
    while True:
        at = _At(change, wanted)
        tree = at.visit(program.tree)
        if at.seen < wanted:
            return
        assert isinstance(tree, ast.AST)
        yield ast.unparse(ast.fix_missing_locations(tree))
        wanted += 1


def all_at_once(program: Program, change: Change) -> Iterator[str]:
    """The program with all applicable places changed; nothing when there is none."""
    at = _At(change, 0)
    tree = at.visit(program.tree)
    if at.seen:
        assert isinstance(tree, ast.AST)
        yield ast.unparse(ast.fix_missing_locations(tree))


def wrapped(template: str) -> Operator:
    """An operator that puts the whole program where `PROGRAM` is in a template, indented as that is."""

    def apply(program: Program) -> Iterator[str]:
        lines: list[str] = []
        for line in template.splitlines():
            if line.strip() == "PROGRAM":
                lines.append(
                    textwrap.indent(program.source.strip("\n"), line[: len(line) - len(line.lstrip())])
                )
            else:
                lines.append(line)
        yield "\n".join(lines) + "\n"

    return apply


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def statements(text: str) -> list[ast.stmt]:
    return ast.parse(text).body


def is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def prints(node: ast.AST) -> "ast.Call | None":
    """The print of a statement that is one."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and is_print(node.value):
        return node.value
    return None


def said(node: ast.AST) -> str:
    return ast.unparse(node)


# Operators by name: those that make a program wrong, and those that leave what it does as it is.
WRONG: dict[str, Operator] = {}
HARMLESS: dict[str, Operator] = {}


def wrong(name: str) -> Callable[[Operator], Operator]:
    def decorate(function: Operator) -> Operator:
        WRONG[name] = function
        return function

    return decorate


def each_place(
    name: str, make: Callable[[Program], Change], when: Callable[[Program], bool] = lambda _: True
) -> None:
    """An operator that changes one place at a time."""

    def apply(program: Program) -> Iterable[str]:
        return one_by_one(program, make(program)) if when(program) else ()

    WRONG[name] = apply


def shows(program: Program) -> bool:
    return any(is_print(node) for node in ast.walk(program.tree))


def strict(program: Program) -> bool:
    return program.strict


def asked(program: Program) -> bool:
    return program.conditional


def harmless_rewrite(name: str) -> Callable[[Operator], Operator]:
    def decorate(function: Operator) -> Operator:
        HARMLESS[name] = function
        return function

    return decorate


def everywhere(name: str, make: Callable[[Program], Change], before: str = "") -> None:
    def apply(program: Program) -> Iterable[str]:
        return (before + code for code in all_at_once(program, make(program)))

    HARMLESS[name] = apply


def joined_text(call: ast.Call) -> str:
    return "' '.join(str(value) for value in [" + ", ".join(map(said, call.args)) + "])"
