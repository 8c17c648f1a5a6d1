"""What no world tells from the gold is right, what a world tells is wrong: read case by case."""

import pytest

from tests.support.gold import SUITES, answer, program, suite, trials, whole_suite
from tunewright.contract.suite import Case, Prediction
from tunewright.eval.grade_answer import Outcome, judge
from tunewright.eval.harmless import HARMLESS, harmless
from tunewright.eval.mutants import WRONG, mutants

CASES: dict[str, Case] = {f"{name}/{case.id}": case for name in SUITES for case in suite(name).cases}
WHOLE = {f"{name}/{case.id}": case for name in (*SUITES, "tools") for case in whole_suite(name).cases}
SEARCHED = 'find_references(*[(s.file, s.line, "{0}") for s in workspace_symbols("{0}").symbols][0])'
CALLS = {
    "navigation/find_references-03": 'find_references("click/globals.py", 49, "pop_context")',
    "navigation/find_references-06": 'find_references("networkx/algorithms/isolate.py", 90, "number_of_isolates")',
    "navigation/workflow-05": 'typecheck("flask/ctx.py"); pytest_run("tests/test_appctx.py")',
    "navigation/workflow-10": 'typecheck("httpx/_auth.py")',
    "navigation/discrimination-05": 'read_file("attr/setters.py")',
    "field_access/field_access-03": 'pytest_run("tests/test_termui.py")',
    "field_access/conditional-01": 'typecheck("flask/wrappers.py")',
    "field_access/conditional-12": 'typecheck("attr/validators.py")',
    "field_access/conditional-24": 'pytest_run("networkx/algorithms/approximation/tests/test_matching.py")',
    "field_access/conditional-60": 'pytest_run("networkx/algorithms/connectivity/tests/test_disjoint_paths.py")',
    "field_access/multistep-05": "",
    "field_access/multistep-09": "",
    "field_access/iteration-05": 'typecheck("networkx/readwrite/graphml.py")',
    "navigation/which_tool-36": 'typecheck("networkx/algorithms/voronoi.py")',
    "navigation/goto_definition-34": 'goto_definition("httpx/_transports/default.py", 126, "map_httpcore_exceptions")',
    "navigation/workflow-31": 'ruff_check("networkx/classes/multigraph.py")',
    "navigation/find_references-18": SEARCHED.format("VersionInfo"),
    "navigation/which_tool-30": SEARCHED.format("TupleInfoDict"),
    "navigation/goto_definition-01": 'goto_definition("flask/testing.py", 296, "ScriptInfo")',
    "navigation/find_references-54": 'find_references("httpx/_exceptions.py", 309, "StreamConsumed")',
    "navigation/workflow-46": 'ruff_check("networkx/utils/rcm.py")',
    "field_access/which_tool-15": 'ruff_check("networkx/algorithms/cuts.py")',
    "field_access/which_tool-20": 'typecheck("networkx/algorithms/distance_regular.py")',
    "field_access/which_tool-28": 'pytest_run("networkx/algorithms/tests/test_mis.py")',
    "field_access/which_tool-38": 'run_command("uname -a")',
    "field_access/which_tool-42": 'run_command("tox -e lint")',
    "field_access/which_tool-46": 'write_file("requirements/pin.txt", "numpy<3")',
    "field_access/conditional-33": 'write_file("notes/todo.md", "check the leiden seeds")',
    "field_access/field_access-08": 'write_file("docs/attrs.md", "frozen")',
    "navigation/discrimination-08": 'find_references("networkx/drawing/layout.py", 129, "circular_layout")',
    "navigation/workflow-21": 'find_references("flask/sessions.py", 162, "is_null_session")',
    "tools/lookup-14": 'find_references("werkzeug/urls.py", 116, "iri_to_uri")',
}


def judged(name: str, code: str) -> Outcome:
    case = WHOLE[name]
    return judge(case, Prediction(case=case.id, text=answer(code.replace("CALL", CALLS[name]))), trials())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (
            "navigation/find_references-03",
            "for n, r in enumerate(CALL.references, 1):\n    print(f'{n}. {r.file}:{r.line}')",
        ),
        (
            "navigation/find_references-03",
            "for r in sorted(CALL.references, key=lambda r: -r.line):\n    print(r.file, r.line)",
        ),
        ("navigation/find_references-06", "print(CALL.references[0].line)"),
        (
            "navigation/find_references-06",
            "f = CALL\nprint(min(f.references, key=f.references.index).line if f.success else 'None found')",
        ),
        (
            "navigation/workflow-05",
            't = pytest_run("tests/test_appctx.py")\ne = typecheck("./flask/ctx.py")\nprint(e.error_count, t.failed)',
        ),
        (
            "navigation/workflow-05",
            "print(len(typecheck('flask/ctx.py').errors), 'errors')\n"
            "print(pytest_run(path='tests/test_appctx.py').failed, 'failed')",
        ),
        (
            "navigation/workflow-10",
            'c = CALL\nif c.errors:\n    print("no run")\nelse:\n    print(pytest_run("tests/test_auth.py").failed)',
        ),
        ("field_access/field_access-03", 'r = CALL\nprint(f"failed: {r.failed}, passed: {r.passed}")'),
        ("field_access/field_access-03", 'r = CALL\nprint("passed", "failed")\nprint(r.passed, r.failed)'),
        (
            "field_access/field_access-03",
            "from collections import Counter\nc = Counter(t.outcome for t in CALL.tests)\nprint(c['passed'], c['failed'])",
        ),
        ("field_access/conditional-01", 'n = CALL.error_count\nprint(n if n >= 4 else "OK")'),
        ("field_access/conditional-12", 'print("No." if CALL.success else "Yes.")'),
        (
            "field_access/multistep-05",
            'p = write_file(path="flask/extra.py", content="import os").path\nprint("found", len(ruff_check(p).violations))',
        ),
        (
            "field_access/multistep-09",
            'write_file("failed.txt", f"{pytest_run(\'tests/test_multipart.py\').failed} tests failed\\n")',
        ),
        ("field_access/iteration-05", "e = CALL.errors\nprint([x.line for x in e], [x.severity for x in e])"),
        # Each file once, or as often as it comes; what is asked again has the same answer.
        (
            "navigation/workflow-21",
            "for file in {r.file for r in CALL.references}:\n    print(file, ruff_check(file).violation_count)",
        ),
        (
            "navigation/workflow-21",
            "for r in CALL.references:\n    print(r.file, ruff_check(r.file).violation_count)",
        ),
        ("tools/lookup-14", "print(*dict.fromkeys(r.file for r in CALL.references))"),
        ("navigation/discrimination-08", "for r in CALL.references:\n    print(r.file, r.line)"),
        ("field_access/conditional-33", 'print("saved" if CALL.success else "not saved")'),
        (
            "field_access/which_tool-28",
            'r = CALL\nprint("Yes, all tests pass." if not r.failed else f"No, {r.failed} of the tests fail:")',
        ),
        (
            "field_access/which_tool-38",
            'r = CALL\nprint(r.stdout if r.success else f"uname failed: {r.stderr}")',
        ),
        (
            "field_access/which_tool-15",
            'for v in CALL.violations:\n    print(v.code)\nelse:\n    print("That is all.")',
        ),
        ("field_access/field_access-08", "r = CALL\nif r.success:\n    print(r.bytes_written)"),
        ("navigation/which_tool-36", 'print("not real" if CALL.success else "real")'),
    ],
)
def test_right_whatever_it_looks_like(name: str, code: str) -> None:
    outcome = judged(name, code)
    assert outcome.passed, outcome.reasons
    assert (outcome.judged, outcome.reasons) == ("run", ())


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        (
            "navigation/find_references-03",
            "for r in CALL.references:\n    print(r.file)",
            "makes no use of find_references.references.line",
        ),
        (
            "navigation/find_references-03",
            "r = CALL.references\nfor a, b in zip(r, r[::-1]):\n    print(a.file, b.line)",
            "do not belong together",
        ),
        (
            "navigation/find_references-03",
            "for r in CALL.references[:5]:\n    print(r.file, r.line)",
            "is right, where find_references returns",
        ),
        ("navigation/find_references-06", "print(CALL.references[-1].line)", "is right, where"),
        (
            "navigation/workflow-05",
            'print(typecheck("flask/ctx.py").error_count)',
            "calls typecheck; right is typecheck -> pytest_run",
        ),
        (
            "navigation/workflow-10",
            'c = CALL\nif not c.success:\n    print(pytest_run("tests/test_auth.py").failed)',
            "",
        ),
        ("navigation/discrimination-05", "CALL", "prints nothing"),
        ("navigation/discrimination-05", "print(CALL.line_count)", "is right, where"),
        ("navigation/discrimination-05", "CALL\nprint('Done.')", "is right, where"),
        (
            "field_access/field_access-03",
            'r = CALL\nprint(f"failed: {r.passed}, passed: {r.failed}")',
            "under the name of",
        ),
        ("field_access/field_access-03", "r = CALL\nprint(r.passed, r.failed, r.seconds)", "seconds as well"),
        ("field_access/conditional-01", 'n = CALL.error_count\nprint(n if n >= 3 else "ok")', "ok"),
        ("field_access/conditional-12", 'print("no" if CALL.errors else "yes")', "does not print"),
        ("field_access/conditional-12", 'CALL.errors\nprint("yes or no")', ""),
        (
            "field_access/conditional-24",
            'r = CALL\nif r.failed:\n    print(r.failed)\nelse:\n    print("nothing else failed")',
            "where nothing is to be printed",
        ),
        ("field_access/conditional-60", 'r = CALL\nprint("up" if r.passed > 0 else "down")', "a condition"),
        (
            "field_access/multistep-05",
            'r = ruff_check("flask/extra.py")\nwrite_file("flask/extra.py", "import os")\nprint(r.violation_count)',
            "right is write_file -> ruff_check",
        ),
        (
            "field_access/multistep-09",
            'write_file("failed.txt", str(pytest_run("tests/test_multipart.py").passed))',
            "content must be",
        ),
        ("field_access/iteration-05", "for e in CALL.errors:\n    print(e.line, 'error')", ""),
        ("tools/lookup-14", "for r in CALL.references:\n    print(r.file)", "more than once"),
        ("navigation/which_tool-30", "print(*{r.file for r in CALL.references})", "leaves out"),
        (
            "field_access/conditional-33",
            'r = CALL\nprint(r.path if r.success else "not saved")',
            "not print saved",
        ),
        ("field_access/conditional-33", 'print("done" if CALL.success else "not saved")', "not print saved"),
        ("field_access/conditional-33", 'print("not saved" if CALL.success else "saved")', "not saved"),
        (
            "field_access/field_access-08",
            "r = CALL\nprint(r.bytes_written if r.success else r.error_count)",
            "no field error_count",
        ),
        (
            "field_access/field_access-08",
            "r = CALL\nprint(r.bytes_written if r.success else nothing)",
            "nothing defines nothing",
        ),
        ("navigation/which_tool-36", 'print("real" if CALL.success else "not real")', "wrong way round"),
    ],
)
def test_wrong_whatever_it_looks_like(name: str, code: str, reason: str) -> None:
    outcome = judged(name, code)
    assert not outcome.passed
    assert any(reason in said for said in outcome.reasons), outcome.reasons


# A sample of all: the benchmark makes every mutant and every rewrite of every case.
SAMPLE = (
    "navigation/workflow-11",
    "field_access/field_access-03",
    "field_access/iteration-07",
    "field_access/conditional-05",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_every_mutant_is_caught_and_every_rewrite_accepted(name: str) -> None:
    case = CASES[name]
    source = program(str(case.gold[0]))
    made = mutants(source, case, trials().catalog, 1)
    for operator, codes in made.items():
        for code in codes:
            assert not judge(case, Prediction(case=case.id, text=answer(code)), trials()).passed, (
                operator,
                code,
            )
    for operator, codes in harmless(source, case, trials().catalog, 1).items():
        for code in codes:
            outcome = judge(case, Prediction(case=case.id, text=answer(code)), trials())
            assert outcome.passed, (operator, code, outcome.reasons)
    assert len(made) > 60


def test_there_are_enough_operators() -> None:
    assert len(WRONG) >= 140
    assert len(HARMLESS) >= 85


@pytest.mark.parametrize(
    ("name", "code", "right"),
    [
        ("discrimination-11", "print('python -m build' if CALL.success else 'not python -m build')", False),
        ("discrimination-11", "print('build' if CALL.success else '')", False),
        ("discrimination-11", "print('ok' if CALL.success else 'failed')", True),
        ("discrimination-11", "print(CALL.stdout)", True),
        ("discrimination-09", "print('pass' if CALL.success else 'fail')", True),
        ("which_tool-20", "r = CALL; print(r.error_count if r.errors else 'types right')", True),
        ("which_tool-20", "r = CALL; print(r.error_count if r.errors else 'not tested')", False),
        ("which_tool-20", "print('not what I want' if CALL.errors else 'ok')", False),
        ("which_tool-20", "print('not ok' if CALL.errors else 'ok')", True),
        # Words of one's own say how it came out, and not the other way round.
        ("which_tool-20", "print('errors found' if CALL.errors else 'none')", True),
        ("which_tool-20", "print('right' if CALL.errors else 'wrong')", False),
        ("which_tool-20", "print('not supported' if CALL.errors else 'valid')", False),
        ("which_tool-13", "print('approved' if CALL.success else 'not approved')", True),
        ("which_tool-13", "print('approved' if CALL.success else 'commit')", False),
        ("which_tool-28", "print('made' if CALL.success else 'failed')", False),
        ("which_tool-28", "print('helped' if CALL.success else 'not helped')", True),
        ("which_tool-13", "print('ruff' if CALL.violations else 'no violation')", False),
        ("which_tool-24", "print('not swaps' if CALL.failed else 'swaps')", False),
        ("which_tool-24", "print('some fail' if CALL.failed else 'all pass')", True),
        ("which_tool-54", "print('success' if CALL.references else 'failure')", False),
        # That nobody calls it is an answer, too.
        ("which_tool-54", "print('def' if CALL.references else 'def')", False),
        ("which_tool-54", "r = CALL; print('right' if r.success else 'not right')", False),
        ("which_tool-20", "print('errors found' if CALL.errors else 'alive')", False),
        # Are those real errors? Where there are none, they are not.
        ("which_tool-54", "print('calling' if CALL.references else 'not calling')", True),
        ("which_tool-54", "print('in use' if CALL.references else 'unused')", True),
        ("which_tool-54", "print(CALL.reference_count)", True),
        # Nobody asked whether the file was written.
        ("which_tool-43", "print(CALL.path)", True),
    ],
)
def test_a_result_is_told_by_words_about_it(name: str, code: str, right: bool) -> None:
    calls = {
        "discrimination-11": "run_command('python -m build')",
        "discrimination-09": "pytest_run('tests/test_formatting.py')",
        "which_tool-13": "ruff_check('networkx/generators/atlas.py')",
        "which_tool-20": "typecheck('networkx/algorithms/distance_regular.py')",
        "which_tool-24": "pytest_run('networkx/algorithms/tests/test_swap.py')",
        "which_tool-28": "pytest_run('networkx/algorithms/tests/test_mis.py')",
        "which_tool-43": "write_file('VERSION.txt', '3.7rc0')",
        "which_tool-54": "find_references('networkx/algorithms/centrality/group.py', 201, '_group_preprocessing')",
    }
    case = WHOLE[f"field_access/{name}"]
    said = answer(code.replace("CALL", calls[name]))
    found = judge(case, Prediction(case=case.id, text=said), trials())
    assert found.passed is right, found.reasons


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("discrimination-06", "print('yes' if CALL.success else 'no')", ""),
        ("discrimination-06", "print('no' if CALL.success else 'yes')", "wrong way round"),
        ("discrimination-06", "print('clean' if CALL.success else 'errors')", ""),
        ("which_tool-60", "print('yes' if CALL.success else 'no')", "nothing was asked"),
        ("which_tool-60", "print('ok' if CALL.success else 'errors')", ""),
    ],
)
def test_a_bare_yes_answers_the_question(name: str, code: str, reason: str) -> None:
    files = {"discrimination-06": "httpx/_urls.py", "which_tool-60": "networkx/generators/line.py"}
    said = answer(code.replace("CALL", f"typecheck('{files[name]}')"))
    found = judge(WHOLE[f"navigation/{name}"], Prediction(case=name, text=said), trials())
    assert found.passed is (not reason), found.reasons
    assert reason in " ".join(found.reasons)


def test_nothing_is_claimed_before_a_program_has_run() -> None:
    case = WHOLE["navigation/discrimination-06"]
    code = answer("print(typecheck('httpx/_urls.py').error_count)")
    for text, right in (
        ("Yes, it is.", False),
        ("No, there are some.", False),
        ("No.", False),
        ("No problem.", True),
        ("I've compiled it myself, and it works fine. I'll run it now.", False),
        ("I have checked it.", False),
        ("I have to run the checker.", True),
        ("Yes, I'll check.", True),
        ("", True),
    ):
        found = judge(case, Prediction(case=case.id, text=f"{text}\n\n{code}"), trials())
        assert found.passed is right, (text, found.reasons)
