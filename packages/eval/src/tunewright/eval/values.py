"""What a variable of a program may hold, as far as it can be known without running it.

A `Value` is a set of possibilities (`Atom`), because a variable set in two branches may hold either, together
with the result fields it was computed from. Paths name fields as suites do: `find_references.references.line`.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from tunewright.contract.catalog import Catalog, is_list, item_type

# A container made of containers made of containers …: no answer needs more, and hashing stays cheap.
_DEEPEST = 6
_MOST_ATOMS = 24
_SCALARS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}

Kind = Literal["record", "list", "scalar", "const", "bag", "tuple", "function", "tool", "builtin"]


@dataclass(frozen=True)
class Atom:
    """One thing that a variable may hold.

    `record`: a tool's result or an element of one, of type `type`; `list`: a result's list with items of
    `type`; `scalar`: a result's field; `const`: a literal; `bag`: a container that the program made, `inner`
    its contents; `tuple`: `inner` by position; `function`: defined by the program; `tool`, `builtin`: by name.
    """

    kind: Kind
    path: str = ""
    type: str = ""
    const: Any = None
    inner: "tuple[Value, ...]" = ()
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None = None
    depth: int = 0


@dataclass(frozen=True)
class Value:
    """What an expression may be, and the result fields (paths) that it was computed from."""

    atoms: tuple[Atom, ...] = ()
    deps: frozenset[str] = frozenset()

    def with_deps(self, deps: Iterable[str]) -> "Value":
        return Value(self.atoms, self.deps.union(deps))

    @property
    def only(self) -> Atom | None:
        """The single possibility, if there is just one."""
        return self.atoms[0] if len(self.atoms) == 1 else None


UNKNOWN = Value()


def constant(value: Any) -> Value:
    """A literal. Its type is kept with it because `1 == True == 1.0`."""
    return Value((Atom("const", type=type(value).__name__, const=value),))


def join(*values: Value) -> Value:
    """Any of these. Beyond a number of possibilities the rest is dropped; dependencies are not."""
    atoms = tuple(dict.fromkeys(atom for value in values for atom in value.atoms))
    return Value(atoms[:_MOST_ATOMS], frozenset[str]().union(*(value.deps for value in values)))


def derived(*values: Value) -> Value:
    """Something computed from these, of which no more is known."""
    return Value((), frozenset[str]().union(*(value.deps for value in values)))


def _container(kind: Literal["bag", "tuple"], inner: tuple[Value, ...]) -> Value:
    depth = 1 + max((atom.depth for value in inner for atom in value.atoms), default=0)
    if depth > _DEEPEST:
        return derived(*inner)
    return Value((Atom(kind, inner=inner, depth=depth),), derived(*inner).deps)


def bag(*contents: Value) -> Value:
    """A list, set or dict that the program makes, holding these."""
    return _container("bag", (join(*contents),))


def row(*items: Value) -> Value:
    """A tuple, whose items keep their places."""
    return _container("tuple", items)


def of_type(annotation: str, path: str) -> Value:
    """A result's field of that catalog type."""
    if is_list(annotation):
        kind: Kind = "list"
    else:
        kind = "scalar" if item_type(annotation) in _SCALARS else "record"
    return Value((Atom(kind, path, item_type(annotation)),), frozenset({path}))


def result_of(tool: str) -> Value:
    """What a tool returns. Its type is the tool's own name with brackets, which no record type can have."""
    return Value((Atom("record", tool, f"{tool}()"),), frozenset({tool}))


def elements(value: Value) -> Value:
    """What iterating over, or indexing into, the value yields."""
    found: list[Value] = []
    for atom in value.atoms:
        if atom.kind == "list":
            item = Atom("scalar" if atom.type in _SCALARS else "record", atom.path, atom.type)
            found.append(Value((item,)))
        elif atom.kind in ("bag", "tuple"):
            found.extend(atom.inner)
    return join(*found).with_deps(value.deps)


def fields_of(atom: Atom, catalog: Catalog) -> dict[str, str]:
    """A record's fields and their types."""
    if atom.type.endswith("()"):
        tool = catalog.tool(atom.type[:-2])
        return tool.result if tool else {}
    return catalog.types[atom.type]


def attribute(value: Value, name: str, catalog: Catalog) -> tuple[Value, str | None]:
    """`value.name`: what it is, and what is wrong with it when it certainly cannot work.

    Only what is known to be wrong for every possibility is called wrong.
    """
    found: list[Value] = []
    wrong: list[str] = []
    for atom in value.atoms:
        if atom.kind == "record":
            annotation = fields_of(atom, catalog).get(name)
            if annotation is None:
                what = (
                    f"the result of {atom.path}" if atom.type.endswith("()") else f"an element of {atom.path}"
                )
                wrong.append(f"{what} has no field {name}")
            else:
                found.append(of_type(annotation, f"{atom.path}.{name}"))
        elif atom.kind == "list" and not hasattr(list, name):
            wrong.append(f"{atom.path} is a list: it has no field {name}, its elements have")
        elif atom.kind == "scalar" and not hasattr(_SCALARS[atom.type], name):
            wrong.append(f"{atom.path} is a {atom.type}: it has no attribute {name}")
        elif atom.kind == "const" and not hasattr(atom.const, name):
            wrong.append(f"a {atom.type} has no attribute {name}")
    if wrong and len(wrong) == len(value.atoms):
        return derived(value), wrong[0]
    # What the value was computed from (an index, a list it is in) is not a dependency of one of its fields.
    return join(*found).with_deps(() if found else value.deps), None
