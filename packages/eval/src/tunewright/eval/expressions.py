"""Following a program's expressions: where results of tools go, without running anything.

Abstract interpretation in the small: every expression is evaluated to the `Value` it may have, in the order
in which Python evaluates it. `dataflow.py` adds the statements.
"""

import ast
import builtins

from tunewright.eval.program_calls import Calls, Env, text_of
from tunewright.eval.trace import Guard
from tunewright.eval.values import (
    UNKNOWN,
    Atom,
    Value,
    bag,
    constant,
    derived,
    elements,
    join,
    row,
)

_BUILTINS = frozenset(vars(builtins)) | {"__name__", "__file__"}
_HIDING = frozenset({"exec", "eval", "compile", "__import__", "globals", "locals", "vars"})
_LONGEST_TEXT = 100_000  # characters of folded constant text


class Expressions(Calls):
    """Evaluates expressions in `env`, leaving what they do in `trace`."""

    def evaluate(self, node: ast.expr | None, env: Env) -> Value:
        """The value that an expression may have."""
        if node is None:
            return UNKNOWN
        self.trace.step()
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node, env)
        # What is left combines its parts: operators, comparisons, slices and their likes.
        return derived(*(self.evaluate(part, env) for part in _parts(node)))

    def _constant(self, node: ast.Constant, _: Env) -> Value:
        return constant(node.value)

    def _name(self, node: ast.Name, env: Env) -> Value:
        if node.id in env:
            return env[node.id]
        if node.id in self.tools:
            return Value((Atom("tool", node.id),))
        if node.id in _HIDING:
            self.trace.fault(node.lineno, f"{node.id} hides what the program does")
        elif node.id not in _BUILTINS:
            self.trace.fault(node.lineno, f"nothing defines {node.id}")
        return Value((Atom("builtin", node.id),))

    def _attribute(self, node: ast.Attribute, env: Env) -> Value:
        return self.read(self.evaluate(node.value, env), node.attr, node.lineno)

    def _subscript(self, node: ast.Subscript, env: Env) -> Value:
        base = self.evaluate(node.value, env)
        index = self.evaluate(node.slice, env)
        key = index.only
        named = key is not None and key.kind == "const" and key.type == "str"
        for atom in base.atoms:
            if len(base.atoms) > 1:
                break
            if atom.kind == "record":
                self.trace.fault(node.lineno, f"{atom.path} has attributes: it cannot be indexed with []")
            elif atom.kind == "list" and named and key is not None:
                self.trace.fault(node.lineno, f"{atom.path} is a list: it has no key {key.const!r}")
        if isinstance(node.slice, ast.Slice):
            return base.with_deps(index.deps)
        single = base.only
        if single and single.kind == "tuple" and key and key.type == "int":
            try:
                return single.inner[key.const]
            except IndexError:
                self.trace.fault(node.lineno, "index outside of a tuple")
        return elements(base).with_deps(index.deps)

    def _starred(self, node: ast.Starred, env: Env) -> Value:
        return elements(self.evaluate(node.value, env))

    def _await(self, node: ast.Await, env: Env) -> Value:
        return self.evaluate(node.value, env)

    def _namedexpr(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.evaluate(node.value, env)
        env[node.target.id] = value
        return value

    def _list(self, node: ast.List | ast.Set, env: Env) -> Value:
        return bag(*(self.evaluate(item, env) for item in node.elts))

    _set = _list

    def _tuple(self, node: ast.Tuple, env: Env) -> Value:
        items = [self.evaluate(item, env) for item in node.elts]
        if any(isinstance(item, ast.Starred) for item in node.elts):
            return bag(*items)
        return row(*items)

    def _dict(self, node: ast.Dict, env: Env) -> Value:
        parts = [self.evaluate(key, env) for key in node.keys if key is not None]
        for key, value in zip(node.keys, node.values):
            part = self.evaluate(value, env)
            parts.append(elements(part) if key is None else part)
        return bag(*parts)

    def _joinedstr(self, node: ast.JoinedStr, env: Env) -> Value:
        parts = [self.evaluate(part, env) for part in node.values]
        texts = [text_of(part) for part in parts]
        plain = not any(
            isinstance(p, ast.FormattedValue) and (p.format_spec or p.conversion != -1) for p in node.values
        )
        if plain and all(text is not None for text in texts):
            return constant("".join(text for text in texts if text is not None)).with_deps(
                derived(*parts).deps
            )
        return derived(*parts)

    def _formattedvalue(self, node: ast.FormattedValue, env: Env) -> Value:
        value = self.evaluate(node.value, env)
        return value.with_deps(self.evaluate(node.format_spec, env).deps)

    def _unaryop(self, node: ast.UnaryOp, env: Env) -> Value:
        value = self.evaluate(node.operand, env)
        number = value.only
        if isinstance(node.op, ast.USub) and number and isinstance(number.const, int | float):
            return constant(-number.const)
        return derived(value)

    def _binop(self, node: ast.BinOp, env: Env) -> Value:
        left, right = self.evaluate(node.left, env), self.evaluate(node.right, env)
        if isinstance(node.op, ast.Add):
            texts = text_of(left), text_of(right)
            if texts[0] is not None and texts[1] is not None and len(texts[0] + texts[1]) < _LONGEST_TEXT:
                return constant(texts[0] + texts[1]).with_deps(derived(left, right).deps)
            if any(atom.kind in ("bag", "list", "tuple") for atom in (*left.atoms, *right.atoms)):
                return bag(elements(left), elements(right))
        return derived(left, right)

    def _boolop(self, node: ast.BoolOp, env: Env) -> Value:
        # What is to the right of `and` and `or` runs only if the left allows it.
        values = [self.evaluate(node.values[0], env)]
        opened = 0
        for part in node.values[1:]:
            self.trace.open_guards.append(self.trace.guard("if", derived(*values)))
            opened += 1
            values.append(self.evaluate(part, env))
        del self.trace.open_guards[len(self.trace.open_guards) - opened :]
        return join(*values)

    def _ifexp(self, node: ast.IfExp, env: Env) -> Value:
        test = self.evaluate(node.test, env)
        self.trace.open_guards.append(self.trace.guard("if", test))
        value = join(self.evaluate(node.body, env), self.evaluate(node.orelse, env))
        self.trace.open_guards.pop()
        return value.with_deps(test.deps)

    def _lambda(self, node: ast.Lambda, _: Env) -> Value:
        return Value((Atom("function", node=node),))

    def _listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, env: Env) -> Value:
        return self._comprehend(node.generators, [node.elt], env)

    _setcomp = _generatorexp = _listcomp

    def _dictcomp(self, node: ast.DictComp, env: Env) -> Value:
        return self._comprehend(node.generators, [node.key, node.value], env)

    def _comprehend(self, generators: list[ast.comprehension], results: list[ast.expr], env: Env) -> Value:
        outer = dict(env)
        opened: list[Guard] = []
        tests: list[Value] = []
        targets: set[str] = set()
        for generator in generators:
            source = self.evaluate(generator.iter, env)
            opened.append(self.loop(source))
            self.bind(generator.target, elements(source), env)
            targets |= {n.id for n in ast.walk(generator.target) if isinstance(n, ast.Name)}
            for test in generator.ifs:
                value = self.evaluate(test, env)
                tests.append(value)
                opened.append(self.trace.guard("if", value))
                self.trace.open_guards.append(opened[-1])
        values = [self.evaluate(result, env) for result in results]
        del self.trace.open_guards[len(self.trace.open_guards) - len(opened) :]
        for name in targets:  # a comprehension's own names end with it; those of `:=` stay
            env.pop(name, None)
            if name in outer:
                env[name] = outer[name]
        return bag(*values).with_deps(derived(*tests).deps)

    def bind(self, target: ast.expr, value: Value, env: Env) -> None:
        """Assign `value` to a name, to the names of a pattern, or into a container."""
        if isinstance(target, ast.Name):
            env[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            rows = [
                atom for atom in value.atoms if atom.kind == "tuple" and len(atom.inner) == len(target.elts)
            ]
            starred = any(isinstance(part, ast.Starred) for part in target.elts)
            for position, part in enumerate(target.elts):
                if rows and len(rows) == len(value.atoms) and not starred:
                    self.bind(part, join(*(atom.inner[position] for atom in rows)), env)
                elif isinstance(part, ast.Starred):
                    self.bind(part.value, bag(elements(value)), env)
                else:
                    self.bind(part, elements(value), env)
        elif isinstance(target, ast.Subscript):
            key = self.evaluate(target.slice, env)
            self.put_into(target.value, [key, value], env)
        elif isinstance(target, ast.Attribute):
            self.evaluate(target.value, env)


def _parts(node: ast.AST) -> list[ast.expr]:
    return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
