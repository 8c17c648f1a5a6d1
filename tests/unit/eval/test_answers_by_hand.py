"""Answers to the further suites, written by hand as models phrase them: right ones pass, wrong ones do not."""

import pytest

from tests.support.gold import ROOT, answer, trials
from tunewright.contract.suite import Prediction, read_suite
from tunewright.eval.grade_answer import judge

WORDS = [
    (
        "irrelevance",
        "no_tool_fits-01",
        [
            "I'm not able to open pull requests with the tools available.",
            "None of my tools can create a pull request. I can show you the diff, though.",
            "There isn't a tool here for pull requests; I can only inspect git and files.",
            "Sorry, I don't have a tool for opening PRs.",
            "None of my tools does that. I only have git_status, git_diff, git_log, read_file and write_file.",
        ],
        [
            "I opened the pull request.",
            "Sure! Your pull request has been created.",
            "Let me check your changes first.",
            "No.",
            "I cannot do that.",
        ],
    ),
    (
        "irrelevance",
        "no_tool_fits-09",
        [
            "I can't delete files with these tools; I could only overwrite it with empty content.",
            "Deleting isn't possible: read_file and write_file are all I have for files.",
            "I do not have a delete function available.",
        ],
        ["The file is deleted.", "Done. I deleted it.", "Deleting it now."],
    ),
    (
        "irrelevance",
        "no_tool_fits-19",
        [
            "My tools can only show the changes since the last commit, so I can't tell what you changed on a specific day.",
            "I don't have access to the history, only to git_diff and git_status.",
        ],
        ["You changed rich/color.py."],
    ),
    (
        "irrelevance",
        "no_tool_fits-33",
        [
            "None of the tools I have can lint code.",
            "I don't have a linter available, so I cannot count lint problems.",
            "There is no ruff tool here.",
        ],
        ["It has 3 lint problems.", "requests/api.py has 0 lint problems."],
    ),
    (
        "irrelevance",
        "no_tool_fits-22",
        [
            "I have no way of contacting Marta.",
            "I can't send messages.",
            "Unfortunately I am unable to notify people.",
        ],
        ["Marta knows.", "I told Marta that the commit is ready."],
    ),
    (
        "irrelevance",
        "no_tool_fits-36",
        ["I can't run tests with the tools I've been given.", "I don't have a tool to run pytest."],
        ["True", "False", "Yes, they are passing."],
    ),
    (
        "irrelevance",
        "no_tool_fits-06",
        [
            "I have no tool that measures memory usage.",
            "That can't be measured with my tools; profiling isn't available.",
        ],
        ["It needs about 40 MB."],
    ),
    (
        "failures",
        "reported_failure-01",
        [
            "The file CHANGES.rst doesn't exist, so there's nothing to count.",
            "I couldn't read CHANGES.rst; it may not exist.",
            "Reading CHANGES.rst failed.",
        ],
        ["CHANGES.rst has 0 lines.", "It has 120 lines.", "False 0"],
    ),
    (
        "failures",
        "reported_failure-05",
        [
            "The upgrade timed out after 120 seconds (exit code 124).",
            "It didn't finish within the two minutes, so it was aborted.",
            "The migration took too long and was stopped.",
        ],
        ["The database has been upgraded.", "It ended with exit code 124.", "The upgrade failed."],
    ),
    (
        "failures",
        "reported_failure-06",
        ["No. 31 passed, 2 failed.", "Two tests failed, 31 passed.", "They did not all pass: 2 failures."],
        ["Yes, 31 tests passed.", "All tests passed."],
    ),
    (
        "failures",
        "reported_failure-11",
        [
            "I wouldn't push yet: there's one type error (a str is passed where bytes is expected).",
            "There is 1 type error, so better fix it first.",
        ],
        ["Yes, you can push.", "No type errors, go ahead."],
    ),
    (
        "failures",
        "reported_failure-13",
        [
            "The push failed: could not resolve host git.example.org.",
            "git couldn't reach git.example.org, so the tag was not pushed.",
        ],
        ["The tag v3 was pushed.", "It failed."],
    ),
    (
        "failures",
        "reported_failure-15",
        [
            "It doesn't come up within 15 seconds; the command timed out.",
            "No: the check hit the 15 second timeout while starting.",
        ],
        ["Yes, it is starting.", "It is running."],
    ),
    (
        "multi_turn",
        "result-01",
        [
            "Yes. It's used in starlette/testclient.py and starlette/websockets.py.",
            "Yes, in two files.",
            "It is used in both testclient.py and websockets.py.",
        ],
        ["No, only in one file.", "Yes.", "It's used in four files."],
    ),
    (
        "multi_turn",
        "result-03",
        ["Petra Nowak has the most with 3 commits.", "That's Petra Nowak (3 out of 6)."],
        [
            "Luis Vega has the most.",
            "Two people.",
            "Petra Nowak, Luis Vega, Petra Nowak, Ines Okafor, Petra Nowak, Luis Vega",
        ],
    ),
    (
        "multi_turn",
        "result-04",
        ["No, 7 out of 9 are fixable.", "Not all: two of the nine have to be fixed by hand."],
        ["Yes, all 9 can be fixed.", "9 7"],
    ),
    (
        "multi_turn",
        "result-08",
        ["Yes, it still has etag, which defaults to True.", "It does; the default is True."],
        ["No, it has no etag parameter.", "Yes, the default is None."],
    ),
    (
        "multi_turn",
        "result-13",
        ["It shrank: 41 lines added, 96 removed.", "Net change is -55 lines, so it got smaller."],
        ["It grew by 55 lines."],
    ),
    (
        "multi_turn",
        "result-17",
        ["About 10%.", "Roughly 10 percent (5 of 50)."],
        ["About 11 per cent.", "5 tests fail."],
    ),
    (
        "multi_turn",
        "result-20",
        ["The second one: Console in rich/console.py.", "Console (rich/console.py) is the class."],
        ["get_console is the class."],
    ),
    (
        "multi_turn",
        "result-19",
        ["No, only E501 and B904 show up.", "None of them: the codes are E501 (twice) and B904."],
        ["Yes, F401 is reported.", "I don't know."],
    ),
    (  # What small models say.
        "development",
        "direct_answer-05",
        ["The list is made once and shared by all calls."],
        ["A more than one places to the more than one places."],
    ),
    (
        "navigation",
        "direct_answer-13",
        ["902", "It was raised in line 902."],
        ["917", "It was raised in line 902, in the file of line 917.", "In both.", "Not 902.", "Line 9020."],
    ),
]
PROGRAMS = [
    *(
        (
            "navigation",
            "goto_definition-47",  # "file and line, separated by a colon"
            f'loc = goto_definition("click/core.py", 1165, "write_usage").locations[0]\nprint({printed})',
            right,
        )
        for printed, right in (
            ('f"{loc.file}:{loc.line}"', True),
            ('loc.file, loc.line, sep=":"', True),
            ("loc.file, loc.line", False),
            ('f"{loc.file}, {loc.line}"', False),
        )
    ),
    (
        "multi_turn",
        "follow_up-01",
        (
            'refs = find_references(file="starlette/datastructures.py", line=593, symbol="MutableHeaders")\n'
            "if refs.success:\n"
            "    for r in refs.references:\n"
            "        print(r.file)\n"
            "else:\n"
            '    print("none")'
        ),
        True,
    ),
    (
        "multi_turn",
        "follow_up-01",
        (
            'found = find_references("starlette/datastructures.py", 593, "MutableHeaders")\n'
            'print("\\n".join(sorted({r.file for r in found.references})))'
        ),
        True,
    ),
    (
        "multi_turn",
        "follow_up-01",
        (
            'for r in find_references("starlette/responses.py", 87, "MutableHeaders").references:\n'
            "    print(r.file)"
        ),
        False,
    ),
    (
        "multi_turn",
        "follow_up-15",
        (
            'n = read_file("requests/adapters.py").line_count\n'
            "if n > 920:\n"
            '    print("yes")\n'
            "else:\n"
            '    print("no")'
        ),
        True,
    ),
    (
        "multi_turn",
        "follow_up-15",
        (
            'a = read_file("requests/sessions.py").line_count\n'
            'b = read_file("requests/adapters.py").line_count\n'
            'print("yes" if b > a else "no")'
        ),
        True,
    ),
    ("multi_turn", "follow_up-15", 'print(read_file("requests/adapters.py").line_count)', False),
    ("multi_turn", "follow_up-17", 'd = git_diff(path="rich/markup.py")\nprint(f"Added: {d.added}")', True),
    (
        "parallel",
        "same_tool-01",
        (
            'files = ["rich/rule.py", "rich/bar.py", "rich/status.py"]\n'
            "for f in files:\n"
            "    r = read_file(f)\n"
            "    if r.success:\n"
            '        print(f"{f}: {r.line_count} lines")\n'
            "    else:\n"
            '        print(f"{f}: could not be read")'
        ),
        True,
    ),
    (
        "parallel",
        "same_tool-12",
        (
            'emoji = git_diff("rich/emoji.py")\n'
            'theme = git_diff("rich/theme.py")\n'
            'print(f"rich/emoji.py: {emoji.added} added, rich/theme.py: {theme.added} added")'
        ),
        True,
    ),
    ("parallel", "same_tool-12", "d = git_diff()\nprint(d.added)", False),
    (
        "parallel",
        "several_tools-04",
        (
            't = pytest_run("tests/test_wrappers.py")\n'
            'c = typecheck("werkzeug/wrappers")\n'
            "s = git_status()\n"
            'print(f"Passed: {t.passed}, type errors: {c.error_count}, branch: {s.branch}")'
        ),
        True,
    ),
    (
        "parallel",
        "several_tools-17",
        ('write_file(".retries", "3")\nstatus = git_status()\nprint(f"On branch {status.branch}")'),
        True,
    ),
    (
        "parallel",
        "several_tools-17",
        (
            'w = write_file(".retries", "3")\n'
            'print("written" if w.success else "failed")\n'
            "print(git_status().branch)"
        ),
        True,
    ),
    (
        "parallel",
        "same_tool-11",
        (
            'for p in ("starlette/authentication.py", "starlette/formparsers.py"):\n'
            "    log = git_log(p, 1)\n"
            "    if log.commits:\n"
            '        print(f"{p}: {log.commits[0].author}")'
        ),
        True,
    ),
    (
        "failures",
        "missing_file-01",
        (
            'f = read_file("starlette/_compat.py")\n'
            'print(f"{f.line_count} lines" if f.success else "File not found: starlette/_compat.py")'
        ),
        True,
    ),
    (
        "failures",
        "nothing_found-06",
        (
            "s = git_status()\n"
            "if s.clean:\n"
            '    print("Working tree is clean.")\n'
            "else:\n"
            "    for f in s.files:\n"
            "        print(f.file)"
        ),
        True,
    ),
    (
        "failures",
        "nothing_found-06",
        (
            "s = git_status()\n"
            "if not s.files:\n"
            '    print("No files have changed.")\n'
            "for f in s.files:\n"
            '    print(f"- {f.file}")'
        ),
        True,
    ),
    (
        "failures",
        "failed_command-01",
        (
            'r = run_command("make html")\n'
            "if r.success:\n"
            "    print(r.stdout)\n"
            "else:\n"
            '    print(f"The command failed with exit code {r.exit_code}:\\n{r.stderr}")'
        ),
        True,
    ),
    (
        "failures",
        "failed_command-06",
        (
            'm = run_command("alembic upgrade head")\n'
            "if m.exit_code != 0:\n"
            '    print("Migration failed:", m.stderr)\n'
            "else:\n"
            '    t = pytest_run("tests/test_migrations.py")\n'
            '    print(f"{t.passed} tests passed")'
        ),
        True,
    ),
    (
        "failures",
        "nothing_found-09",
        (
            'r = find_references("requests/models.py", 481, "prepare_url")\n'
            "if r.reference_count == 0:\n"
            '    print("No callers found, it can be made private.")\n'
            "else:\n"
            "    for ref in r.references:\n"
            '        print(f"{ref.file}:{ref.line}")'
        ),
        True,
    ),
    (
        "failures",
        "nothing_found-09",
        (
            'r = find_references("requests/models.py", 481, "prepare_url")\n'
            "for ref in r.references:\n"
            '    print(f"{ref.file}:{ref.line}")'
        ),
        False,
    ),
    (
        "tools",
        "symbols-10",
        ('for s in workspace_symbols("CaseInsensitive").symbols:\n    print(f"{s.name} ({s.file})")'),
        True,
    ),
    (
        "tools",
        "git-04",
        'status = git_status()\nfor f in status.files:\n    print(f"{f.file}: {f.status}")',
        True,
    ),
    (
        "tools",
        "lookup-14",
        (
            "seen = []\n"
            'for r in find_references("werkzeug/urls.py", 116, "iri_to_uri").references:\n'
            "    if r.file not in seen:\n"
            "        seen.append(r.file)\n"
            "        print(r.file)"
        ),
        True,
    ),
    (
        "tools",
        "files-08",
        ('f = read_file("starlette/status.py")\nlines = f.content.split("\\n")\nprint(lines[-1])'),
        True,
    ),
    (
        "tools",
        "shell-08",
        'r = run_command("pip check")\nprint("exit code:", r.exit_code)\nprint(r.stdout)',
        True,
    ),
    (
        "tools",
        "checks-03",
        (
            'r = typecheck("jinja2")\n'
            "if r.error_count == 0:\n"
            '    print("No type errors")\n'
            "else:\n"
            "    for e in r.errors:\n"
            '        print(f"{e.file}:{e.line}: {e.message}")'
        ),
        True,
    ),
]


def passes(suite: str, case_id: str, text: str) -> bool:
    cases = {case.id: case for case in read_suite(ROOT / "suites" / f"{suite}.jsonl").cases}
    return judge(cases[case_id], Prediction(case=case_id, text=text), trials()).passed


@pytest.mark.parametrize(("suite", "case", "right", "wrong"), WORDS, ids=[row[1] for row in WORDS])
def test_words_are_judged_by_what_they_say(suite: str, case: str, right: list[str], wrong: list[str]) -> None:
    assert [text for text in right if not passes(suite, case, text)] == []
    assert [text for text in wrong if passes(suite, case, text)] == []


@pytest.mark.parametrize(("suite", "case", "code", "right"), PROGRAMS)
def test_programs_are_judged_by_what_they_do(suite: str, case: str, code: str, right: bool) -> None:
    assert passes(suite, case, answer(code)) is right
