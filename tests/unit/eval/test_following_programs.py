"""Which result fields a program uses, however it gets at them."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.contract.catalog import load_catalog
from tunewright.eval.dataflow import follow
from tunewright.eval.trace import Trace

CATALOG = load_catalog("coding")
REFS = 'result = find_references("a.py", 3, "f")\n'
DEF = 'result = goto_definition("a.py", 3, "f")\n'


def trace(code: str) -> Trace:
    return follow([ast.parse(code)], CATALOG)


FILE = "find_references.references.file"


@pytest.mark.parametrize(
    "code",
    [
        "for r in result.references:\n    print(r.file)",
        "for r in result.references:\n    print(f'{r.file:>10}')",
        "print([r.file for r in result.references])",
        "print('\\n'.join(r.file for r in result.references))",
        "print(*{r.file for r in result.references}, sep='\\n')",
        "print({r.file: r.line for r in result.references})",
        "first = result.references[0]\nprint(first.file)",
        "first, *rest = result.references\nprint(first.file)",
        "first, *rest = result.references\nfor r in rest:\n    print(r.file)",
        "refs = result.references\nfor i in range(len(refs)):\n    print(refs[i].file)",
        "i = 0\nwhile i < len(result.references):\n    print(result.references[i].file)\n    i += 1",
        "for i, r in enumerate(result.references, 1):\n    print(i, r.file)",
        "for r, n in zip(result.references, range(9)):\n    print(n, r.file)",
        "for r in sorted(result.references, key=lambda x: x.line):\n    print(r.file)",
        "print(max(result.references, key=lambda x: x.line).file)",
        "print(next((r for r in result.references if r.line > 3), None).file)",
        "for f in map(lambda r: r.file, result.references):\n    print(f)",
        "for r in filter(lambda r: r.line > 3, result.references[:5]):\n    print(r.file)",
        "if (refs := result.references):\n    print(refs[-1].file)",
        "seen = set()\nfor r in result.references:\n    seen.add(r.file)\nprint(len(seen), seen)",
        "by = {}\nfor r in result.references:\n    by.setdefault(r.file, []).append(r)\n"
        "for f, rs in by.items():\n    print(f)",
        "by = {}\nfor r in result.references:\n    by[r.line] = r\nfor r in by.values():\n    print(r.file)",
        "from collections import defaultdict\nby = defaultdict(list)\n"
        "for r in result.references:\n    by[r.line].append(r.file)\nprint(by)",
        "from collections import Counter\nprint(Counter(r.file for r in result.references))",
        "text = ''\nfor r in result.references:\n    text += r.file + '\\n'\nprint(text)",
        "lines = []\nfor r in result.references:\n    lines += [r.file]\nprint(lines)",
        "def show(r):\n    print(r.file)\nfor r in result.references:\n    show(r)",
        "def files(x):\n    return [r.file for r in x.references]\nprint(files(result))",
        "def main():\n    for r in result.references:\n        print(r.file)\nmain()",
        "print(getattr(result.references[0], 'file'))",
        "last = None\nfor r in result.references:\n    last = r\nif last:\n    print(last.file)",
        "try:\n    print(result.references[0].file)\nexcept IndexError as error:\n    print(error)",
        "match result.success:\n    case True:\n        print(result.references[0].file)",
        "with open('o.txt', 'w') as out:\n    for r in result.references:\n        out.write(r.file)",
        "import sys\nsys.stdout.write(result.references[0].file)",
        "(a, b) = (result, 2)\nprint(a.references[0].file)",
        "pairs = [(r.file, r.line) for r in result.references]\nfor f, line in pairs:\n    print(f)",
        "loc = result.references[0] if result.references else None\nprint(loc.file if loc else 'none')",
        "print(result.references[0].file.split('/')[-1].upper())",
        "raise SystemExit(result.references[0].file)",
        "def show(r, *rest, end='\\n', **more):\n    print(r.file, end=end)\nshow(result.references[0])",
        "def show(a, b=None):\n    print(b.file)\nshow(1, b=result.references[0])",
        "def show(*all):\n    print(all[0].file)\nshow(result.references[0])",
        "def each(x):\n    if not x:\n        return []\n    return x.references\nfor r in each(result):\n    print(r.file)",
        "print([*result.references, None][0].file)",
        "print((*result.references,)[0].file)",
        "both = {**{'a': result.references[0]}, 'b': 1}\nprint(both['a'].file)",
        "print((result.references + [])[0].file)",
        "refs = list(result.references)\nprint(refs.pop().file)",
        "refs = {r.line: r for r in result.references}\nprint(refs.get(3).file)",
        "refs = [r for r in result.references].copy()\nprint(refs[0].file)",
        "r: object = result.references[0]\nprint(r.file)",
        "assert result.references, result.references[0].file",
        "while True:\n    print(result.references[0].file)\n    break",
        "while result.success:\n    print(result.references[0].file)\n    break\nelse:\n    pass",
        "match result:\n    case found if found.success:\n        print(found.references[0].file)",
        "try:\n    refs = result.references\nfinally:\n    print(refs[0].file)",
        "print(dict((r.file, r) for r in result.references))",
        "print(str(result.references[0].file))",
        "import functools\nprint(functools.reduce(lambda a, b: a, [r.file for r in result.references]))",
        "for r in result.references:\n    pass\nelse:\n    print(r.file)",
    ],
)
def test_a_field_is_found_by_every_way_to_it(code: str) -> None:
    found = trace(REFS + code)
    assert FILE in found.used, found.used
    assert found.faults == []
    assert [call.tool for call in found.calls] == ["find_references"]


@pytest.mark.parametrize(
    "code",
    [
        "file = result.references[0].file",
        "result.references[0].file",
        "for r in result.references:\n    r.file",
        "other = goto_definition('b.py', 1, 'g')\nprint(other.locations[0].file)",
        "if False:\n    print(result.references[0].file)",
        "exit()\nprint(result.references[0].file)",
        "def never():\n    print(result.references[0].file)",
        "print('result.references[0].file')",
        "# print(result.references[0].file)",
        "files = []\nfor r in result.references:\n    files.append(r.file)",
        "result = 3\nprint(result)",
        "raise SystemExit\nprint(result.references[0].file)",
        "import sys\nsys.exit()\nprint(result.references[0].file)",
        "while False:\n    print(result.references[0].file)",
        "if True:\n    pass\nelse:\n    print(result.references[0].file)",
        "try:\n    raise ValueError\n    print(result.references[0].file)\nexcept ValueError:\n    pass",
        "class C:\n    def show(self):\n        print(result.references[0].file)",
    ],
)
def test_a_field_that_nothing_is_done_with_is_not_used(code: str) -> None:
    assert FILE not in trace(REFS + code).used


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print(result.locations.file)", "is a list"),
        ("print(result.location)", "has no field location"),
        ("print(result['locations'])", "cannot be indexed"),
        ("print(result.locations['file'])", "is a list"),
        ("print(result.locations[0].path)", "an element of goto_definition.locations has no field path"),
        ("print(result.locations[0].line.file)", "is a int"),
        ("for loc in result:\n    print(loc)", "is not a list"),
        ("print(res.locations)", "nothing defines res"),
        ("lookup('a')", "nothing defines lookup"),
        ("exec('goto_definition()')", "hides"),
        ("import requests", "not in the standard library"),
        ("from .tools import goto_definition", "not in the standard library"),
        ("print(getattr(result, 'place'))", "has no field place"),
        ("x = 3\nx()", "not a function"),
        ("del result\nprint(result.success)", "nothing defines result"),
    ],
)
def test_an_error_that_would_certainly_happen_is_told(code: str, said: str) -> None:
    faults = trace(DEF + code).faults
    assert any(said in fault for fault in faults), faults


def test_what_may_go_well_is_no_fault() -> None:
    code = "if result.success:\n    loc = result.locations[0]\nprint(loc.file)\nprint(getattr(result, 'x', None))"
    assert trace(DEF + code).faults == []


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        (
            "print(read_file(goto_definition('a', 1, 'b').locations[0].file).content)",
            ["goto_definition", "read_file"],
        ),
        ("for p in ['a', 'b']:\n    for q in p:\n        typecheck(q)", ["typecheck"]),
        ("def t(p):\n    return typecheck(p)\nt('a')\nt('b')", ["typecheck", "typecheck"]),
        ("find = goto_definition\nfind('a', 1, 'b')", ["goto_definition"]),
        ("def typecheck(p):\n    pass\ntypecheck('a')", []),
        ("typecheck = print\ntypecheck('a')", []),
        ("if 0:\n    typecheck('a')\nelse:\n    ruff_check('a')", ["ruff_check"]),
        ("async def main():\n    await typecheck('a')\nimport asyncio\nasyncio.run(main())", ["typecheck"]),
        ("[typecheck(p) for p in 'ab']", ["typecheck"]),
        ("f = lambda p: typecheck(p)\nf('a')", ["typecheck"]),
        ("typecheck", []),
    ],
)
def test_calls_are_traced_in_the_order_of_execution(code: str, calls: list[str]) -> None:
    assert [call.tool for call in trace(code).calls] == calls


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("typecheck('src/a.py')", "src/a.py"),
        ("path = 'src/a.py'\ntypecheck(path)", "src/a.py"),
        ("root = 'src'\ntypecheck(f'{root}/a.py')", "src/a.py"),
        ("root = 'src/'\ntypecheck(root + 'a.py')", "src/a.py"),
        ("for path in ['src/a.py']:\n    typecheck(path)", "src/a.py"),
        ("paths = ('src/a.py', 'b.py')\ntypecheck(paths[0])", "src/a.py"),
    ],
)
def test_a_literal_is_known_through_names(code: str, value: str) -> None:
    (call,) = trace(code).calls
    assert [atom.const for atom in call.positional[0].atoms] == [value]


def test_a_call_after_an_early_end_stands_under_that_condition() -> None:
    code = "t = typecheck('a')\nif t.errors:\n    print(1)\n    raise SystemExit\npytest_run('b')\n"
    calls = trace(code).calls
    assert [guard.kind for guard in calls[1].guards] == ["if"]
    assert "typecheck.errors" in calls[1].guards[0].deps
    assert calls[0].guards == ()


@pytest.mark.parametrize(
    "code",
    [
        "x = []\n" + "x = [x, [x]]\n" * 200,
        "x = 1\n" + "\n".join(" " * i + "for a in b:" for i in range(18)) + "\n" + " " * 18 + "x = [x]\n",
        "print(" + "a." * 400 + "b)",
        "def f(x):\n    return f(f(x))\nf(1)",
        "def f(g):\n    return g(g)\nf(f)",
        "x = " + "[" * 90 + "]" * 90,
        "a = 'x'\n" + "a = a + a\n" * 60,
        "\n".join(f"def f{i}(x):\n    f{i + 1}(x)\n    f{i + 1}(x)" for i in range(40))
        + "\ndef f40(x):\n    typecheck(x)\nf0(1)",
    ],
)
def test_a_program_made_to_be_slow_is_judged_in_time(code: str) -> None:
    trace("b = [1]\n" + code)


SNIPPETS = st.sampled_from(
    [
        "result.references",
        "result",
        "r",
        "r.file",
        "[r.file]",
        "{'a': r}",
        "(r, 1)",
        "lambda q: q.file",
        "x[0]",
        "x",
        "*x,",
        "-1",
        "x[1:2]",
        "x.append(r)",
        "sorted(x, key=lambda q: q.line)",
        "f'{r.file}'",
        "len(x)",
        "[q for q in x if q]",
        "dict(x)",
        "x.items()",
        "r.file if x else None",
        "x + [r]",
        "(y := r)",
        "not x",
        "x and r",
        "print(x, r)",
        "typecheck(r.file)",
    ]
)
FRAMES = st.sampled_from(
    [
        "x = {}",
        "{}",
        "for r in x:\n    x = {}",
        "if x:\n    x = {}\nelse:\n    r = {}",
        "a, b = {}",
        "x += {}",
        "x[0] = {}",
        "while x:\n    x = {}\n    break",
        "try:\n    x = {}\nexcept E as e:\n    pass",
        "def g(r):\n    return {}\nx = g(r)",
        "with x as r:\n    {}",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(FRAMES, SNIPPETS), max_size=8))
def test_any_program_can_be_followed(parts: list[tuple[str, str]]) -> None:
    code = (
        REFS
        + "r = result.references[0]\nx = []\n"
        + "\n".join(frame.replace("{}", snippet) for frame, snippet in parts)
    )
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    found = follow([tree], CATALOG)
    assert found.calls[0].tool == "find_references"
    assert all(path.split(".")[0] in CATALOG.tool_names for path in found.used)
