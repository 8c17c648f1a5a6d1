"""Operators that rewrite a right program without changing what it does; a fair judge accepts what they make."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, pairwise

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval.rewrites import (
    Change,
    Operator,
    Program,
    all_at_once,
    expression,
    is_print,
    prints,
    said,
    statements,
    wrapped,
)

HARMLESS: dict[str, Operator] = {}

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


def operator(name: str) -> Callable[[Operator], Operator]:
    def decorate(function: Operator) -> Operator:
        HARMLESS[name] = function
        return function

    return decorate


def _all(name: str, make: Callable[[Program], Change], before: str = "") -> None:
    def apply(program: Program) -> Iterable[str]:
        return (before + code for code in all_at_once(program, make(program)))

    HARMLESS[name] = apply


# --- calls ----------------------------------------------------------------------------------------------------------


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


_all("named_arguments", _call(_named))
_all("named_backwards", _call(_named_backwards))
_all("unpacked_list", _call(_unpacked))
_all("unpacked_dict", _call(_unpacked_named))
_all("partial", _call(_partly), "import functools\n")
_all("tool_in_dict", _call(_looked_up))
_all("tool_through_lambda", _call(_through_lambda))
_all("default_given", _call(_default_given))
_all("dot_slash", _path(lambda path: repr("./" + path)))
_all("double_slash", _path(lambda path: repr(path.replace("/", "//"))))
_all(
    "joined_path", _path(lambda path: f"os.path.join({', '.join(map(repr, path.split('/')))})"), "import os\n"
)
_all("pathlib", _path(lambda path: f"str(pathlib.Path({path!r}))"), "import pathlib\n")
_all("split_text", _path(lambda path: f"{path[:3]!r} + {path[3:]!r}"))


@operator("helper_function")
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


@operator("independent_swapped")
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


# --- prints ---------------------------------------------------------------------------------------------------------


def _print(make: Callable[[ast.Call], "ast.AST | None"]) -> Callable[[Program], Change]:
    return lambda program: (
        lambda node: make(node) if isinstance(node, ast.Call) and is_print(node) and node.args else None
    )


def _joined(call: ast.Call) -> str:
    return "' '.join(str(value) for value in [" + ", ".join(map(said, call.args)) + "])"


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


_all("print_to_stderr", _print(_option("file", "sys.stderr")), "import sys\n")
_all("print_flushed", _print(_option("flush", "True")))
_all("print_separated", _print(_option("sep", "', '")))
_all("print_end", _print(_option("end", "'\\n\\n'")))
_all("print_as_text", _print(_text))
_all("print_formatted", _print(_formatted))
_all("print_percent", _print(_percent))
_all("print_padded", _print(_padded))
_all("print_with_arrow", _print(_labelled))
_all("print_json", _print(_json), "import json\n")
_all(
    "write_to_stdout",
    _print(lambda call: expression(f"sys.stdout.write({_joined(call)} + '\\n')")),
    "import sys\n",
)
_all(
    "logged",
    _print(lambda call: expression(f"logging.info({_joined(call)})")),
    "import logging\nlogging.basicConfig(level=logging.INFO, format='%(message)s')\n",
)


@operator("labelled_by_field")
def _by_field(program: Program) -> Iterable[str]:
    """Each value under its own name."""

    def change(node: ast.AST) -> ast.AST | None:
        if not (isinstance(node, ast.Call) and is_print(node) and node.args):
            return None
        if not all(isinstance(argument, ast.Attribute) for argument in node.args):
            return None
        parts = [f"{argument.attr.replace('_', ' ')}: {{{said(argument)}}}" for argument in node.args]  # type: ignore[attr-defined]
        node.args = [expression("f'" + ", ".join(parts) + "'")]
        return node

    return all_at_once(program, change)


@operator("one_print_a_value")
def _one_a_value(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> "list[ast.stmt] | None":
        call = prints(node)
        if call is None or len(call.args) < 2 or call.keywords:
            return None
        return [statement for argument in call.args for statement in statements(f"print({said(argument)})")]

    return all_at_once(program, change)


# --- fields and lists -----------------------------------------------------------------------------------------------


def _field(form: str) -> Callable[[Program], Change]:
    def make(program: Program) -> Change:
        def change(node: ast.AST) -> ast.AST | None:
            if (
                isinstance(node, ast.Attribute)
                and program.kind(node.attr)
                and isinstance(node.value, ast.Name)
            ):
                return expression(form.format(value=said(node.value), field=node.attr))
            return None

        return change

    return make


_all("getattr", _field("getattr({value}, '{field}')"))
_all("vars", _field("vars({value})['{field}']"))
_all("getattr_default", _field("getattr({value}, '{field}', None)"))
_all("attrgetter", _field("operator.attrgetter('{field}')({value})"), "import operator\n")


@operator("length_for_count")
def _length(program: Program) -> Iterable[str]:
    yield from _counted(program, "len({list})")


@operator("sum_for_count")
def _sum(program: Program) -> Iterable[str]:
    yield from _counted(program, "sum(1 for _ in {list})")


@operator("counter_for_count")
def _counter(program: Program) -> Iterable[str]:
    for code in _counted(program, "sum(Counter(id(entry) for entry in {list}).values())"):
        yield "from collections import Counter\n" + code


def _counted(program: Program, form: str) -> Iterator[str]:
    lists = {
        "error_count": "errors",
        "violation_count": "violations",
        "reference_count": "references",
        "symbol_count": "symbols",
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Attribute) and node.attr in lists:
            return expression(form.format(list=f"{said(node.value)}.{lists[node.attr]}"))
        return None

    yield from all_at_once(program, change)


@operator("flags_counted")
def _flags(program: Program) -> Iterator[str]:
    form = {
        "fixable_count": "sum(v.fixable for v in {0}.violations)",
        "failed": "len([t for t in {0}.tests if t.outcome == 'failed'])",
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Attribute) and node.attr in form:
            return expression(form[node.attr].format(said(node.value)))
        return None

    yield from all_at_once(program, change)


def _loop(make: Callable[[ast.For], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.For) else None


def _body(node: ast.For, indent: str = "    ") -> str:
    return "\n".join(indent + line for statement in node.body for line in said(statement).splitlines())


def _over(form: str) -> Callable[[ast.For], ast.AST]:
    def make(node: ast.For) -> ast.AST:
        node.iter = expression(form.replace("X", said(node.iter)))
        return node

    return make


def _while(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"entries = list({said(node.iter)})\ni = 0\nwhile i < len(entries):\n    {said(node.target)} = entries[i]\n"
        f"{_body(node)}\n    i += 1"
    )


def _enumerated(node: ast.For) -> list[ast.stmt]:
    return statements(f"for i, {said(node.target)} in enumerate({said(node.iter)}):\n{_body(node)}")


def _by_position(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"entries = {said(node.iter)}\nfor i in range(len(entries)):\n    {said(node.target)} = entries[i]\n{_body(node)}"
    )


def _each_function(node: ast.For) -> list[ast.stmt]:
    return statements(f"def each({said(node.target)}):\n{_body(node)}\nlist(map(each, {said(node.iter)}))")


def _yielded(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"def entries():\n    yield from {said(node.iter)}\nfor {said(node.target)} in entries():\n{_body(node)}"
    )


def _iterator(node: ast.For) -> list[ast.stmt]:
    return statements(
        f"rest = iter({said(node.iter)})\nwhile ({said(node.target)} := next(rest, None)) is not None:\n{_body(node)}"
    )


def _comprehension(node: ast.For) -> "ast.AST | None":
    if len(node.body) != 1 or not isinstance(node.body[0], ast.Expr):
        return None
    return statements(f"[{said(node.body[0].value)} for {said(node.target)} in {said(node.iter)}]")[0]


def _numbered(node: ast.For) -> list[ast.stmt] | None:
    call = prints(node.body[0]) if len(node.body) == 1 else None
    if call is None:
        return None
    call.args.insert(0, expression("f'{i}.'"))
    return statements(f"for i, {said(node.target)} in enumerate({said(node.iter)}, 1):\n{_body(node)}")


def _joined_lines(node: ast.For) -> list[ast.stmt] | None:
    call = prints(node.body[0]) if len(node.body) == 1 else None
    if call is None or call.keywords:
        return None
    return statements(f"print('\\n'.join({_joined(call)} for {said(node.target)} in {said(node.iter)}))")


_all("loop_over_list", _loop(_over("list(X)")))
_all("loop_over_slice", _loop(_over("X[:]")))
_all("loop_over_chain", _loop(_over("itertools.chain(X, [])")), "import itertools\n")
_all("loop_over_deque", _loop(_over("collections.deque(X)")), "import collections\n")
_all("loop_or_nothing", _loop(_over("(X or [])")))
_all("loop_while", _loop(_while))
_all("loop_enumerated", _loop(_enumerated))
_all("loop_by_position", _loop(_by_position))
_all("loop_by_map", _loop(_each_function))
_all("loop_by_generator", _loop(_yielded))
_all("loop_by_iterator", _loop(_iterator))
_all("loop_by_comprehension", _loop(_comprehension))
_all("loop_numbered", _loop(_numbered))
_all("loop_joined", _loop(_joined_lines))


@operator("filter_for_if")
def _filtered(program: Program) -> Iterable[str]:
    def change(node: ast.AST) -> "list[ast.stmt] | None":
        if not (isinstance(node, ast.For) and len(node.body) == 1 and isinstance(node.body[0], ast.If)):
            return None
        inner = node.body[0]
        if inner.orelse:
            return None
        body = "\n".join("    " + said(statement) for statement in inner.body)
        name = said(node.target)
        return statements(
            f"for {name} in filter(lambda {name}: {said(inner.test)}, {said(node.iter)}):\n{body}"
        )

    return all_at_once(program, change)


# --- conditions -----------------------------------------------------------------------------------------------------


def _if(make: Callable[[ast.If], "ast.AST | list[ast.stmt] | None"]) -> Callable[[Program], Change]:
    return lambda program: lambda node: make(node) if isinstance(node, ast.If) else None


def _other_way(node: ast.If) -> ast.AST:
    node.test = expression(f"not ({said(node.test)})")
    node.body, node.orelse = node.orelse or [ast.Pass()], node.body
    return node


def _twice_not(node: ast.If) -> ast.AST:
    node.test = expression(f"not not ({said(node.test)})")
    return node


def _bool(node: ast.If) -> ast.AST:
    node.test = expression(f"bool({said(node.test)})")
    return node


def _named_test(node: ast.If) -> list[ast.stmt]:
    first = statements(f"holds = {said(node.test)}")
    node.test = expression("holds")
    return [*first, node]


def _match(node: ast.If) -> list[ast.stmt]:
    cases = [("True", node.body), ("False", node.orelse or [ast.Pass()])]
    text = f"match bool({said(node.test)}):\n"
    for value, body in cases:
        text += (
            f"    case {value}:\n"
            + "\n".join("        " + line for s in body for line in said(s).splitlines())
            + "\n"
        )
    return statements(text)


_all("negated_and_swapped", _if(_other_way))
_all("double_negation", _if(_twice_not))
_all("bool_test", _if(_bool))
_all("named_test", _if(_named_test))
_all("match_statement", _if(_match))


def _turned_comparison(program: Program) -> Change:
    turned: dict[type[ast.cmpop], type[ast.cmpop]] = {
        ast.Gt: ast.Lt,
        ast.Lt: ast.Gt,
        ast.GtE: ast.LtE,
        ast.LtE: ast.GtE,
        ast.Eq: ast.Eq,
        ast.NotEq: ast.NotEq,
    }

    def change(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in turned:
            node.left, node.comparators = node.comparators[0], [node.left]
            node.ops = [turned[type(node.ops[0])]()]
            return node
        return None

    return change


def _limit_moved(program: Program) -> Change:
    """`x > 3` as `x >= 4`, for whole numbers."""

    def change(node: ast.AST) -> ast.AST | None:
        if not (
            isinstance(node, ast.Compare)
            and isinstance(node.ops[0], ast.Gt)
            and isinstance(node.left, ast.Attribute)
        ):
            return None
        limit = node.comparators[0]
        if (
            program.kind(node.left.attr) != "int"
            or not isinstance(limit, ast.Constant)
            or type(limit.value) is not int
        ):
            return None
        node.ops, node.comparators = [ast.GtE()], [ast.Constant(limit.value + 1)]
        return node

    return change


_all("comparison_turned", _turned_comparison)
_all("limit_moved", _limit_moved)


# --- names ----------------------------------------------------------------------------------------------------------


@operator("renamed")
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


@operator("annotated")
def _annotated(program: Program) -> Iterator[str]:
    def change(node: ast.AST) -> "ast.AST | None":
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            return statements(f"{said(node.targets[0])}: object = {said(node.value)}")[0]
        return None

    yield from all_at_once(program, change)


@operator("deleted_after_use")
def _deleted(program: Program) -> Iterator[str]:
    names = [
        s.targets[0].id
        for s in program.tree.body
        if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
    ]
    if names:
        yield f"{program.source.rstrip()}\ndel {', '.join(dict.fromkeys(names))}\n"


@operator("checked_before_use")
def _checked(program: Program) -> Iterator[str]:
    """A result that is not there is told, before it is used."""
    body = program.tree.body
    first = body[0]
    if isinstance(first, ast.Assign) and program.is_tool(first.value) and not program.conditional:
        name = said(first.targets[0])
        if "locations" in program.source:
            rest = "\n".join("    " + line for s in body[1:] for line in said(s).splitlines())
            yield f"{said(first)}\nif not {name}.success:\n    print('Nothing was found.')\nelse:\n{rest}\n"


def harmless(source: str, case: Case, catalog: Catalog, each: int = 1) -> Mapping[str, list[str]]:
    """Operator -> its first `each` rewrites of a gold program; operators that do not apply are left out."""
    program = Program(source, case, catalog)
    found: dict[str, list[str]] = {}
    for name, apply in HARMLESS.items():
        made = [code for code in islice(apply(program), each) if code.strip()]
        if made:
            found[name] = made
    return found
