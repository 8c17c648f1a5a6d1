"""The engines behind the tools: one that dies, hangs or disagrees costs its row and no more."""

import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.demo_corpus import CORPUS
from tunewright.contract.catalog import load_catalog
from tunewright.datagen.corpus import Corpus, installed_corpus
from tunewright.datagen.crosscheck import TIMEOUT, CrossCheck, Jedi
from tunewright.datagen.language_server import LanguageServer, ServerDied, character_of, utf16_length
from tunewright.datagen.program import Call, ProgramFailed, Sandbox
from tunewright.datagen.toolbox import Rejected, Toolbox
from tunewright.datagen.workspace import ToolTimeout, Workspace, open_workspace


def test_a_server_that_dies_is_noticed_and_replaced(tmp_path: Path) -> None:
    box = Toolbox(open_workspace(CORPUS, tmp_path / "demo"))
    try:
        assert box.goto_definition("app.py", 7, "greet")["success"]
        box.server._process.kill()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(ServerDied):
            box.hover("app.py", 7, "greet")
        box.close()
        assert box.hover("app.py", 7, "greet")["success"]
    finally:
        box.close()


def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with LanguageServer(open_workspace(CORPUS, tmp_path / "demo")) as server:
        server._process.send_signal(signal.SIGSTOP)  # pyright: ignore[reportPrivateUsage]
        server.timeout = 0.1
        with pytest.raises(ToolTimeout):
            server.workspace_symbols("greet")


def test_jedi_that_hangs_is_given_up_and_started_afresh(box: Toolbox) -> None:
    with closing(Jedi()) as jedi:
        found = jedi.ask("definition", box, "app.py", 7, 11)
        process = jedi._worker._process  # pyright: ignore[reportPrivateUsage]
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        jedi.timeout = 0.1
        with pytest.raises(ToolTimeout):
            jedi.ask("definition", box, "app.py", 7, 11)
        jedi.timeout = TIMEOUT
        assert jedi.ask("definition", box, "app.py", 7, 11) == found == [(("lib.py", 1, 5), True)]


def test_jedi_leaves_nothing_in_the_users_cache(
    box: Toolbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with closing(Jedi()) as jedi:
        assert len(jedi.ask("references", box, "lib.py", 1, 5)) > 1
    assert not list(tmp_path.rglob("*.pkl"))


def test_a_result_that_jedi_does_not_share_is_refused(box: Toolbox) -> None:
    arguments: dict[str, object] = {"file": "app.py", "line": 7, "symbol": "greet"}
    true = box.goto_definition("app.py", 7, "greet")
    false = {**true, "locations": [{**true["locations"][0], "line": 2}]}
    jedi = Jedi()
    try:
        assert CrossCheck(jedi).reason(Call("goto_definition", arguments, true), box) is None
        assert (
            CrossCheck(jedi).reason(Call("goto_definition", arguments, false), box) == "ty and jedi disagree"
        )
        uses = box.find_references("lib.py", 1, "greet")
        asked = {"file": "lib.py", "line": 1, "symbol": "greet"}
        assert CrossCheck(jedi).reason(Call("find_references", asked, uses), box) is None
    finally:
        jedi.close()


def test_completions_that_jedi_does_not_share_are_refused(box: Toolbox) -> None:
    arguments: dict[str, object] = {"file": "app.py", "line": 7, "prefix": "gree"}
    true = box.completion("app.py", 7, "gree")
    (only,) = true["completions"]
    assert only["label"] == "greet"
    with closing(Jedi()) as jedi:
        assert CrossCheck(jedi).reason(Call("completion", arguments, true), box) is None
        assert CrossCheck(jedi).reason(
            Call("completion", arguments, {**true, "completions": [only] * 2}), box
        )
        for wrong in (
            {"completions": []},
            {"completions": [{**only, "label": "greeting"}]},
            {"truncated": True},
        ):
            call = Call("completion", arguments, true | wrong)
            assert CrossCheck(jedi).reason(call, box) == "ty and jedi disagree"
        cut = box.completion("app.py", 7, "", limit=1)
        asked: dict[str, object] = {"file": "app.py", "line": 7, "prefix": "", "limit": 1}
        assert cut["truncated"]
        wrong_cut = Call("completion", asked, cut | {"truncated": False})
        assert CrossCheck(jedi).reason(wrong_cut, box) == "ty and jedi disagree"


def test_the_sandbox_runs_programs_with_tools_and_nothing_else(box: Toolbox) -> None:
    catalog = load_catalog("coding")
    parameters = {tool.name: tool.parameter_names for tool in catalog.tools}
    with Sandbox() as sandbox:
        outcome = sandbox.run(
            'result = find_references("lib.py", 1, "greet")\nfor ref in result.references:\n    print(ref.file, ref.line)',
            box.functions,
            parameters,
        )
        assert outcome.stdout == "app.py 7\napp.py 7\ntest_lib.py 5\ntest_lib.py 9\n"
        assert outcome.calls[0].arguments == {"file": "lib.py", "line": 1, "symbol": "greet"}
        for code in (
            "print(nothing)",
            "open('/etc/passwd').read()",
            "import subprocess",
            "while True: pass",
            "x = ",
        ):
            with pytest.raises(ProgramFailed):
                sandbox.run(code, box.functions, parameters)
        with pytest.raises(Rejected):
            sandbox.run('goto_definition("app.py", 7, "print")', box.functions, parameters)


def test_columns_count_characters_where_the_protocol_counts_utf16() -> None:
    assert utf16_length("ä𝄞b") == 4
    assert character_of("ä𝄞b", 3) == 2
    assert character_of("abc", 99) == 3


def test_a_corpus_with_trouble_still_answers(tmp_path: Path) -> None:
    files = {"bad.py": "def (:\n", "good.py": "def fine():\n    return 1\n\n\nfine()\n", "empty.py": ""}
    box = Toolbox(open_workspace(Corpus("trouble", "1", files), tmp_path / "t"))
    try:
        assert box.goto_definition("good.py", 5, "fine")["success"]
        assert box.typecheck("bad.py")["error_count"] > 0
        assert box.ruff_check("bad.py")["violations"][0]["code"] == "invalid-syntax"
    finally:
        box.close()


def test_nothing_of_this_environment_gets_into_a_workspace(tmp_path: Path) -> None:
    workspace: Workspace = open_workspace(installed_corpus("cachetools"), tmp_path / "c")
    done = workspace.run(["/usr/bin/env"], timeout=10)
    names = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert not names & {"PYTHONPATH", "UV_INDEX", "SSH_AUTH_SOCK"}
    assert f"HOME={workspace.folder}/home" in done.stdout
