"""Following a program's calls: of tools, of builtins, of methods, and of functions given as arguments."""

import ast
from abc import ABC, abstractmethod
from typing import Any

from tunewright.contract.catalog import Catalog
from tunewright.eval.trace import Guard, Trace, TracedCall
from tunewright.eval.values import (
    UNKNOWN,
    Atom,
    Value,
    attribute,
    bag,
    constant,
    derived,
    elements,
    join,
    result_of,
    row,
)

Env = dict[str, Value]

# Builtins that give back their argument's elements in another container, or one of them.
_SAME_ELEMENTS = frozenset({"list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "filter"})
_ONE_ELEMENT = frozenset({"next", "max", "min"})
_ADDING = frozenset({"append", "add", "extend", "insert", "update", "setdefault", "appendleft"})
_ONE_OF = frozenset({"pop", "get", "popleft", "popitem", "setdefault"})
_SAME_METHODS = frozenset({"copy", "values", "keys", "union", "difference", "intersection"})


class Calls(ABC):
    """What a call does and gives; `evaluate` and `run_function` come with the expressions and statements."""

    def __init__(self, catalog: Catalog, trace: Trace) -> None:
        self.catalog = catalog
        self.trace = trace
        self.tools = frozenset(catalog.tool_names)
        self.stack: list[ast.Call] = []
        self.running: list[ast.AST] = []

    @abstractmethod
    def evaluate(self, node: ast.expr | None, env: Env) -> Value:
        """An expression's value."""

    @abstractmethod
    def run_function(
        self, function: Atom, arguments: list[Value], named: dict[str, Value], env: Env
    ) -> Value:
        """What a function of the program gives for these arguments."""

    def read(self, value: Value, name: str, line: int) -> Value:
        """`value.name`, noting a field that does not exist."""
        found, wrong = attribute(value, name, self.catalog)
        if wrong:
            self.trace.fault(line, wrong)
        return found

    def loop(self, source: Value) -> Guard:
        """Open a loop over `source`; the caller closes it."""
        guard = self.trace.guard("for", source)
        self.trace.open_guards.append(guard)
        return guard

    def put_into(self, container: ast.expr, values: list[Value], env: Env) -> None:
        """Values go into a container: whatever it is nested in, its root variable holds them from now on."""
        root: ast.expr = container
        nested = False
        while not isinstance(root, ast.Name):
            if isinstance(root, ast.Subscript | ast.Attribute):
                root = root.value
            elif isinstance(root, ast.Call):
                root = root.func
            else:
                return
            nested = True
        old = env.get(root.id)
        if old is not None:
            inner = [bag(*values)] if nested else []
            env[root.id] = bag(elements(old), *values, *inner).with_deps(old.deps)

    def _call(self, node: ast.Call, env: Env) -> Value:
        method = node.func if isinstance(node.func, ast.Attribute) else None
        receiver = self.evaluate(method.value, env) if method else UNKNOWN
        function = (
            self.read(receiver, method.attr, method.lineno) if method else self.evaluate(node.func, env)
        )
        positional = [self.evaluate(argument, env) for argument in node.args]
        named = {keyword.arg or "**": self.evaluate(keyword.value, env) for keyword in node.keywords}
        arguments = [*positional, *named.values()]
        results: list[Value] = []
        for atom in function.atoms:
            if atom.kind == "tool":
                results.append(self._call_tool(atom.path, node, positional, named))
            elif atom.kind == "function":
                self.stack.append(node)
                results.append(self.run_function(atom, positional, named, env))
                self.stack.pop()
            elif atom.kind == "builtin":
                results.append(self._call_builtin(atom.path, node, arguments, env))
            elif (
                atom.kind in ("record", "list", "const", "scalar") and len(function.atoms) == 1 and not method
            ):
                self.trace.fault(node.lineno, "calls what is not a function")
        if results:
            return join(*results)
        if method:
            return self._call_method(method, receiver, arguments, env)
        return derived(function, *arguments)

    def _call_tool(
        self, name: str, node: ast.Call, positional: list[Value], named: dict[str, Value]
    ) -> Value:
        for value in (*positional, *named.values()):
            self.trace.use(value)
        place = (*self.stack, node)
        if place not in self.trace.seen:
            self.trace.seen.add(place)
            readable = "**" not in named and not any(isinstance(a, ast.Starred) for a in node.args)
            call = TracedCall(
                name,
                tuple(positional),
                tuple(named.items()),
                tuple(self.trace.open_guards),
                node.lineno,
                readable,
            )
            self.trace.calls.append(call)
        return result_of(name)

    def _apply(self, arguments: list[Value], container: Value, env: Env) -> Value:
        """Functions given as arguments are called with the elements of the arguments next to them."""
        functions = [a for value in arguments for a in value.atoms if a.kind == "function"]
        if not functions:
            return UNKNOWN
        self.loop(container)
        value = join(*(self.run_function(function, [elements(container)], {}, env) for function in functions))
        self.trace.open_guards.pop()
        return value

    def _call_builtin(self, name: str, node: ast.Call, arguments: list[Value], env: Env) -> Value:
        everything = derived(*arguments)
        first = arguments[0] if arguments else UNKNOWN
        containers = join(*(value for value in arguments if not _is_function(value)))
        applied = self._apply(arguments, containers, env)
        if name == "print":
            self.trace.use(everything)
            return constant(None)
        if name == "len":
            lists = [f"{atom.path}.len()" for atom in first.atoms if atom.kind == "list"]
            return derived(first).with_deps(lists)
        if name in _SAME_ELEMENTS:
            return bag(elements(containers)).with_deps(applied.deps)
        if name in _ONE_ELEMENT:
            defaults = arguments[1:] if name == "next" or len(arguments) > 1 else []
            return join(elements(containers), *(d for d in defaults if not _is_function(d))).with_deps(
                applied.deps
            )
        if name == "enumerate":
            return bag(row(UNKNOWN, elements(first)))
        if name == "zip":
            return bag(row(*(elements(value) for value in arguments)))
        if name == "map":
            return bag(applied).with_deps(everything.deps)
        if name in ("getattr", "hasattr") and len(arguments) > 1:
            field = arguments[1].only
            if field and field.type == "str" and name == "getattr":
                value, wrong = attribute(first, field.const, self.catalog)
                if wrong and len(arguments) == 2:
                    self.trace.fault(node.lineno, wrong)
                return join(value, *arguments[2:])
        if name == "str" and (text := text_of(first)) is not None and len(arguments) == 1:
            return constant(text).with_deps(first.deps)
        if name == "dict":
            return bag(*(elements(value) for value in arguments))
        return everything

    def _call_method(self, method: ast.Attribute, receiver: Value, arguments: list[Value], env: Env) -> Value:
        name = method.attr
        applied = self._apply(arguments, receiver, env)
        plain = [value for value in arguments if not _is_function(value)]
        if name in _ADDING:
            added = [elements(value) if name in ("extend", "update") else value for value in plain]
            nested = not isinstance(method.value, ast.Name)
            if not any(atom.kind in ("list", "record", "scalar") for atom in receiver.atoms) or nested:
                self.put_into(method.value, added, env)
            if name != "setdefault":
                return constant(None)
        if name in _ONE_OF and any(atom.kind in ("bag", "list") for atom in receiver.atoms):
            return join(elements(receiver), *plain)
        if name in _SAME_METHODS and any(atom.kind == "bag" for atom in receiver.atoms):
            return bag(elements(receiver), *(elements(value) for value in plain)).with_deps(receiver.deps)
        if name == "items":
            return bag(row(elements(receiver), elements(receiver))).with_deps(receiver.deps)
        return derived(receiver, *arguments, applied)


def _is_function(value: Value) -> bool:
    return any(atom.kind == "function" for atom in value.atoms)


def text_of(value: Value) -> str | None:
    """A constant text, if it is one and was not made from a result."""
    atom = value.only
    known: Any = atom.const if atom and atom.kind == "const" else None
    return known if isinstance(known, str) else None
