"""suite.make as a user meets it: a file in, a suite out, and mistakes told with their place."""

import json
from pathlib import Path
from typing import Any

import pytest
from invoke.exceptions import Exit
from syrupy.assertion import SnapshotAssertion

from tests.support.gold import ROOT, answer
from tests.support.made_calls import TOOLS
from tunewright.cli import judge, suites
from tunewright.cli.suites import make_suite
from tunewright.contract.atomic import write_json, write_jsonl
from tunewright.contract.errors import UserError
from tunewright.contract.suite import read_suite

CALL = {"name": "get_forecast", "arguments": {"city": "Porto", "days": 3}}
ANSWER = {"from": "gpt", "value": "Rain."}


def openai(question: str, arguments: Any = None) -> dict[str, Any]:
    call = {**CALL, "arguments": json.dumps(arguments or CALL["arguments"])}
    return {
        "messages": [
            {"role": "user", "content": question},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": call}],
            },
        ],
        "tools": TOOLS,
    }


def sharegpt(question: str) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "human", "value": question},
            {"from": "function_call", "value": json.dumps(CALL)},
            {"from": "observation", "value": "rain"},
            ANSWER,
        ],
        "tools": json.dumps(TOOLS),
    }


def hermes(question: str) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"},
        ],
        "tools": TOOLS,
    }


def xlam(question: str) -> dict[str, Any]:
    flat = [tool["function"] for tool in TOOLS]
    return {"query": question, "answers": json.dumps([CALL]), "tools": json.dumps(flat)}


def test_the_same_conversation_in_four_shapes_gives_the_same_case(tmp_path: Path) -> None:
    golds: list[Any] = []
    for number, shape in enumerate((openai, sharegpt, hermes, xlam)):
        data, out = tmp_path / f"{number}.jsonl", tmp_path / f"suite{number}.jsonl"
        write_jsonl(data, [shape("How is Porto?")])
        make_suite([data], out)
        case = read_suite(out).cases[0]
        (call,) = case.gold_calls[0].tool_calls
        golds.append((call.function, case.category, case.messages[-1].content, len(case.tools)))
    assert golds.count(golds[0]) == 4


def test_what_is_left_out_is_said_with_its_place_and_changed_copies_are_added_on_demand(
    tmp_path: Path,
) -> None:
    data, out = tmp_path / "valid.jsonl", tmp_path / "mine.jsonl"
    write_jsonl(data, [openai("Porto?"), openai("Faro?", {"city": "Faro"})])
    made = make_suite([data], out, perturb=True)
    said = made.text(out)
    assert f"{data}:2: message 2: get_forecast breaks its own schema: 'days' is a required property" in said
    assert "1 cases in 1 clusters, and 3 changed copies" in said
    assert sum(bool(case.perturbs) for case in read_suite(out).cases) == 3
    assert str(tmp_path) not in out.read_text()


def test_rows_that_are_in_train_too_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    data, train, out = tmp_path / "valid.jsonl", tmp_path / "train.jsonl", tmp_path / "mine.jsonl"
    write_jsonl(data, [openai("Porto?"), openai("Faro?")])
    write_jsonl(train, [openai("Lisbon?"), sharegpt("x"), openai(" faro? ")])
    with pytest.raises(UserError) as caught:
        make_suite([data], out, train=[train])
    assert f"{data}:2 is {train}:3" in caught.value.message
    assert "data.merge" in caught.value.hint
    assert not out.exists()


def test_of_a_folder_the_held_out_splits_are_taken_and_checked_against_its_train_split(
    tmp_path: Path,
) -> None:
    write_jsonl(tmp_path / "data" / "train.jsonl", [openai("Lisbon?"), openai("Braga?")])
    write_jsonl(tmp_path / "data" / "valid.jsonl", [openai("Porto?")])
    out = tmp_path / "mine.jsonl"
    make_suite([tmp_path / "data"], out)
    assert [case.messages[-1].content for case in read_suite(out).cases] == ["Porto?"]
    write_jsonl(tmp_path / "data" / "valid.jsonl", [openai("Porto?"), openai("Braga?")])
    with pytest.raises(UserError, match=r"valid.jsonl:2 is .*train.jsonl:2"):
        make_suite([tmp_path / "data"], out)
    assert len(read_suite(out).cases) == 1  # the suite that was there is kept


@pytest.mark.parametrize(
    ("rows", "name", "words"),
    [
        ([openai("a")], "overall.jsonl", "name of a metric"),
        ([openai("a")], "mine.txt", "a .jsonl file"),
        ([{"messages": [{"role": "user", "content": "a"}]}], "mine.jsonl", "no answer"),
        ([{"nothing": 1}], "mine.jsonl", "valid.jsonl:1"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    rows: list[Any], name: str, words: str, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "valid.jsonl", rows)
    with pytest.raises(UserError, match=words):
        make_suite([tmp_path / "valid.jsonl"], tmp_path / name)
    assert not (tmp_path / name).exists()


def test_a_suite_without_any_call_says_what_it_cannot_tell(tmp_path: Path) -> None:
    data, out = tmp_path / "chat.jsonl", tmp_path / "mine.jsonl"
    write_jsonl(data, [{"conversations": [{"from": "human", "value": "Hello?"}, ANSWER]}])
    assert "no row calls a tool" in make_suite([data], out).text(out)


score: Any = judge.score
check: Any = suites.check
THEIRS = {
    "name": "theirs",
    "tools": [
        {
            "name": "goto_definition",
            "description": "Where a name is defined, as text.",
            "parameters": [{"name": n, "type": "str"} for n in ("uri", "line", "column", "workspace")],
            "result": {},
        }
    ],
}
RIGHT = answer('print(goto_definition("app.py", "3", "7", "w"))')


def theirs(folder: Path, gold: str = RIGHT) -> tuple[Path, Path]:
    """Another project's catalog and a suite for it."""
    write_json(folder / "catalog.json", THEIRS)
    request = "Where is run defined? It is used in app.py, line 3, column 7 of workspace w."
    case = {"id": "a", "category": "k", "messages": [{"role": "user", "content": request}]}
    write_jsonl(folder / "theirs.jsonl", [{**case, "expect": {"tools": ["goto_definition"]}, "gold": [gold]}])
    return folder / "catalog.json", folder / "theirs.jsonl"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (RIGHT, True),
        (
            answer(
                'r = goto_definition(workspace="w", uri="./app.py", line="3", column="7")\nprint("Found:", r)'
            ),
            False,
        ),
        (
            answer(
                'r = goto_definition(workspace="w", uri="app.py", line="3", column="7")\nprint("Found:", r)'
            ),
            True,
        ),
        (answer('goto_definition("app.py", "3", "7", "w")'), False),
        (answer('print(goto_definition("app.py", "3", "7"))'), False),
        (answer('print(goto_definition("app.py", "3", "7", "w").locations)'), False),
        ("It is defined in app.py.", False),
    ],
)
def test_answers_with_other_peoples_tools_are_scored_by_their_catalog(
    text: str, right: bool, tmp_path: Path
) -> None:
    catalog, suite = theirs(tmp_path)
    write_jsonl(tmp_path / "answers.jsonl", [{"case": "a", "text": text}])
    out = tmp_path / "score.json"
    score.body(
        None,
        predictions=str(tmp_path / "answers.jsonl"),
        suite=str(suite),
        catalog=str(catalog),
        json=str(out),
    )
    value = json.loads(out.read_text())
    assert (value["cases"][0]["passed"], value["cases"][0]["judged"]) == (
        right,
        "read" if "It is" in text else "run",
    )


def test_a_recipes_gates_decide_a_score(tmp_path: Path) -> None:
    catalog, suite = theirs(tmp_path)
    write_jsonl(tmp_path / "answers.jsonl", [{"case": "a", "text": "no"}])
    recipe = (ROOT / "recipes" / "tiny.toml").read_text().split("[[gates]]")[0]
    gates = '[[gates]]\nmetric = "overall"\nsuite = "theirs"\ntarget = 0.9\n'
    suites = recipe + f'\n[[suites]]\npath = "{suite}"\n' + gates
    (tmp_path / "mine.toml").write_text(suites)
    with pytest.raises(Exit) as stopped:
        score.body(
            None,
            predictions=str(tmp_path / "answers.jsonl"),
            suite=str(suite),
            catalog=str(catalog),
            recipe=str(tmp_path / "mine.toml"),
        )
    assert stopped.value.code == 1


def test_a_suite_that_cannot_tell_ends_with_1_and_says_which_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], snapshot: SnapshotAssertion
) -> None:
    catalog, suite = theirs(tmp_path)
    check.body(None, [str(suite)], str(catalog), 1, str(tmp_path / "check.json"))
    assert capsys.readouterr().out == snapshot(name="sound")
    found = json.loads((tmp_path / "check.json").read_text())
    assert [chance["gate"]["target"] for chance in found["gates"]] == [0.8, 0.9, 1.0]
    assert all(set(chance["passes"]) == {"0.8", "0.9", "0.95", "0.99"} for chance in found["gates"])
    assert (found["sound"], found["caught"]) == (True, found["mutants"])
    assert found["floor"]["says nothing"]["k"] == 0
    _, suite = theirs(tmp_path, answer("print(open_file())"))
    with pytest.raises(Exit) as stopped:
        check.body(None, [str(suite)], str(catalog), 1, "")
    assert stopped.value.code == 1
    assert capsys.readouterr().out == snapshot(name="not sound")
    with pytest.raises(Exit) as refused:
        check.body(None, [str(suite)], str(catalog), 0, "")
    assert refused.value.code == 2
    assert "leaves nothing" in capsys.readouterr().err
