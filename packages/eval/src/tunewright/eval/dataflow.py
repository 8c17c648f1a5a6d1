"""Following a program from statement to statement: which tools it calls and which result fields it uses.

Nothing is executed. Branches are both followed and joined, loops twice (so that what the first round leaves
is seen by the second), functions where they are called. What can only be guessed counts for the program:
a fault is noted only when it would certainly happen.
"""

import ast
import sys
from collections.abc import Sequence

from tunewright.contract.catalog import Catalog
from tunewright.eval.expressions import Env, Expressions
from tunewright.eval.trace import TooLarge, Trace
from tunewright.eval.values import UNKNOWN, Atom, Value, bag, derived, elements, join

_LEAVING_CALLS = frozenset({"exit", "quit"})
_NO_USE = frozenset({"append", "add", "extend", "insert", "update", "setdefault", "appendleft", "sort"})


def follow(programs: Sequence[ast.Module], catalog: Catalog) -> Trace:
    """Follow an answer's programs, each with variables of its own."""
    trace = Trace()
    for program in programs:
        try:
            _Statements(catalog, trace).block(program.body, {})
        except (RecursionError, TooLarge):
            trace.fault(1, "the program is too large or too deeply nested to be judged")
    return trace


class _Statements(Expressions):
    def __init__(self, catalog: Catalog, trace: Trace) -> None:
        super().__init__(catalog, trace)
        self.returned: list[list[Value]] = []

    def block(self, body: Sequence[ast.stmt], env: Env) -> bool:
        """Follow statements; True when control certainly does not get beyond them."""
        opened = 0
        left = False
        for statement in body:
            self.trace.step()
            before = len(self.trace.open_guards)
            left = self._statement(statement, env)
            opened += len(self.trace.open_guards) - before
            if left:
                break
        if opened:
            del self.trace.open_guards[-opened:]
        return left

    def _statement(self, node: ast.stmt, env: Env) -> bool:
        match node:
            case ast.Expr():
                return self._expression(node.value, env)
            case ast.Assign():
                value = self.evaluate(node.value, env)
                for target in node.targets:
                    self.bind(target, value, env)
            case ast.AnnAssign():
                if node.value is not None:
                    self.bind(node.target, self.evaluate(node.value, env), env)
            case ast.AugAssign():
                self._augment(node, env)
            case ast.If():
                return self._if(node, env)
            case ast.For() | ast.AsyncFor():
                self._for(node, env)
            case ast.While():
                return self._while(node, env)
            case ast.Match():
                self._match(node, env)
            case ast.Try() | ast.TryStar():
                return self._try(node, env)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    value = self.evaluate(item.context_expr, env)
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, value, env)
                return self.block(node.body, env)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                env[node.name] = Value((Atom("function", node=node),))
            case ast.ClassDef():
                env[node.name] = UNKNOWN
            case ast.Import() | ast.ImportFrom():
                self._import(node, env)
            case ast.Return():
                value = self.evaluate(node.value, env)
                if self.returned:
                    self.returned[-1].append(value)
                return True
            case ast.Raise():
                self.trace.use(derived(self.evaluate(node.exc, env), self.evaluate(node.cause, env)))
                return True
            case ast.Assert():
                self.trace.guard("if", self.evaluate(node.test, env))
                self.trace.use(self.evaluate(node.msg, env))
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        env.pop(target.id, None)
            case ast.Break() | ast.Continue():
                return True
            case _:
                pass  # pass, global, nonlocal
        return False

    def _expression(self, node: ast.expr, env: Env) -> bool:
        """A statement that is an expression: something is used if it is passed on, not by standing there."""
        self.evaluate(node, env)
        call = node.value if isinstance(node, ast.Await) else node
        if not isinstance(call, ast.Call):
            return False
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        # `print` is traced where it is called; other builtins and the program's own functions pass nothing on.
        known = bool(name) and (name not in env or any(a.kind == "function" for a in env[name].atoms))
        if method not in _NO_USE and not known:
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                inner = argument.value if isinstance(argument, ast.Starred) else argument
                self.trace.use(self.evaluate(inner, env))
        return name not in env and (name in _LEAVING_CALLS or ast.unparse(call.func) == "sys.exit")

    def _augment(self, node: ast.AugAssign, env: Env) -> None:
        value = self.evaluate(node.value, env)
        if isinstance(node.target, ast.Name):
            old = self.evaluate(ast.Name(node.target.id, ast.Load(), lineno=node.lineno, col_offset=0), env)
            grows = any(atom.kind in ("bag", "list") for atom in old.atoms)
            env[node.target.id] = bag(elements(old), elements(value)) if grows else derived(old, value)
        else:
            self.bind(node.target, value, env)

    def _if(self, node: ast.If, env: Env) -> bool:
        test = self.evaluate(node.test, env)
        if isinstance(node.test, ast.Constant):  # `if False:` is not a condition, and its body is never run
            return self.block(node.body if node.test.value else node.orelse, env)
        guard = self.trace.guard("if", test)
        self.trace.open_guards.append(guard)
        then, other = dict(env), dict(env)
        then_left, other_left = self.block(node.body, then), self.block(node.orelse, other)
        self.trace.open_guards.pop()
        _merge(env, *([then] if not then_left else []), *([other] if not other_left else []))
        if then_left != other_left:
            # The rest of the block runs only if this test allowed it; `block` closes the guard.
            self.trace.open_guards.append(guard)
        return then_left and other_left

    def _for(self, node: ast.For | ast.AsyncFor, env: Env) -> None:
        source = self.evaluate(node.iter, env)
        for atom in source.atoms:
            if atom.kind == "record" and len(source.atoms) == 1:
                self.trace.fault(node.lineno, f"loops over {atom.path}, which is not a list")
        self.loop(source)
        for _ in range(2):
            inner = dict(env)
            self.bind(node.target, elements(source), inner)
            self.block(node.body, inner)
            _merge(env, dict(env), inner)
        self.trace.open_guards.pop()
        self.block(node.orelse, env)

    def _while(self, node: ast.While, env: Env) -> bool:
        test = self.evaluate(node.test, env)
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return self.block(node.orelse, env)
        # A loop that counts up to a result's length goes through it as `for` does.
        self.trace.open_guards.append(self.trace.guard("for", test))
        for _ in range(2):
            inner = dict(env)
            self.block(node.body, inner)
            _merge(env, dict(env), inner)
        self.trace.open_guards.pop()
        return self.block(node.orelse, env)

    def _match(self, node: ast.Match, env: Env) -> None:
        subject = self.evaluate(node.subject, env)
        self.trace.open_guards.append(self.trace.guard("if", subject))
        ends: list[Env] = [dict(env)]
        for case in node.cases:
            inner = dict(env)
            for pattern in ast.walk(case.pattern):
                if isinstance(pattern, ast.MatchAs | ast.MatchStar) and pattern.name:
                    inner[pattern.name] = subject
            self.evaluate(case.guard, inner)
            if not self.block(case.body, inner):
                ends.append(inner)
        self.trace.open_guards.pop()
        _merge(env, *ends)

    def _try(self, node: ast.Try | ast.TryStar, env: Env) -> bool:
        before = dict(env)
        left = self.block(node.body, env)
        if not left:
            left = self.block(node.orelse, env)
        ends: list[Env] = [] if left else [dict(env)]
        for handler in node.handlers:
            inner = dict(before)
            _merge(inner, dict(before), dict(env))
            if handler.name:
                inner[handler.name] = UNKNOWN
            if not self.block(handler.body, inner):
                ends.append(inner)
        _merge(env, *ends)
        return self.block(node.finalbody, env) or not ends

    def _import(self, node: ast.Import | ast.ImportFrom, env: Env) -> None:
        relative = isinstance(node, ast.ImportFrom) and node.level > 0
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        for module in modules:
            if relative or module.split(".")[0] not in sys.stdlib_module_names:
                self.trace.fault(
                    node.lineno, f"imports {module or '.'}, which is not in the standard library"
                )
        for alias in node.names:
            env[alias.asname or alias.name.split(".")[0]] = UNKNOWN

    def run_function(
        self, function: Atom, arguments: list[Value], named: dict[str, Value], env: Env
    ) -> Value:
        node = function.node
        if node is None or node in self.running:
            return derived(*arguments, *named.values())
        inner = dict(env)
        spec = node.args
        parameters = [*spec.posonlyargs, *spec.args]
        defaults = dict(zip(reversed([p.arg for p in parameters]), reversed(spec.defaults)))
        defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults) if d is not None}
        for parameter in (*parameters, *spec.kwonlyargs):
            default = defaults.get(parameter.arg)
            inner[parameter.arg] = named.get(parameter.arg) or (
                self.evaluate(default, env) if default else UNKNOWN
            )
        for parameter, value in zip(parameters, arguments):
            inner[parameter.arg] = value
        for rest in (spec.vararg, spec.kwarg):
            if rest is not None:
                inner[rest.arg] = bag(*arguments, *named.values())
        self.running.append(node)
        try:
            if isinstance(node, ast.Lambda):
                return self.evaluate(node.body, inner)
            self.returned.append([])
            self.block(node.body, inner)
            return join(*self.returned.pop())
        finally:
            self.running.pop()


def _merge(env: Env, *ends: Env) -> None:
    """After branches: a name may be what any of them left. No end at all leaves the names as they were."""
    if not ends:
        return
    names = {name for end in ends for name in end}
    merged = {name: join(*(end[name] for end in ends if name in end)) for name in names}
    env.clear()
    env.update(merged)
