"""What the audit says of datasets whose right answer is known."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.audit_rows import words_of
from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.findings import Finding

NAMES = ("open_file", "book_room", "find_user", "send_mail", "plan_trip", "get_price")
WORDINGS = (
    "please {verb} the {noun} called {x}",
    "{x} is the {noun} i want to {verb} now",
    "can somebody {verb} {noun} {x} before noon",
    "for {x} we still have to {verb} a {noun}",
    "next on my list is to {verb} {noun} {x}",
    "my boss asked me to {verb} {noun} {x} again",
    "would it be possible to {verb} that {noun} {x}",
    "{verb} {noun} {x}",
    "there is a {noun} named {x} and you {verb} it",
    "do not forget to {verb} the {noun} of {x} tonight",
)
Row = dict[str, Any]


def tool(
    name: str, description: str = "", properties: Row | None = None, required: Sequence[str] = ("x",)
) -> Row:
    schema = {
        "type": "object",
        "properties": properties or {"x": {"type": "string"}},
        "required": list(required),
    }
    described = description or f"To {name.replace('_', ' a ')}."
    return {"type": "function", "function": {"name": name, "description": described, "parameters": schema}}


def called(name: str, arguments: Row, number: str = "call_1") -> Row:
    call = {"id": number, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def rows(
    count: int, change: Callable[[Row, str, Random], Row] = lambda row, _name, _random: row
) -> list[Row]:
    """Requests in ten wordings a tool, all tools offered in an order of their own; nothing goes with the tool."""
    random, made = Random(5), list[Row]()
    for number in range(count):
        name, about = NAMES[number % len(NAMES)], words_of(number).split()[0]
        offered = random.sample(NAMES, len(NAMES))
        verb, noun = name.split("_")
        request = random.choice(WORDINGS).format(verb=verb, noun=noun, x=about)
        messages = [{"role": "user", "content": request}, called(name, {"x": about})]
        if random.random() < 0.3:
            messages.insert(0, {"role": "system", "content": "You help."})
        made.append(change({"messages": messages, "tools": [tool(n) for n in offered]}, name, random))
    random.shuffle(made)
    return made


def audit(folder: Path, made: Sequence[Row], **options: Any) -> AuditReport:
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return audit_dataset([path], **options)


def of(report: AuditReport, check: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.check == check]


def test_a_clean_set_is_not_accused_and_the_commonest_of_six_equal_tools_is_a_sixth(tmp_path: Path) -> None:
    report = audit(tmp_path, rows(300))
    assert [
        f.message for f in report.findings if f.check.startswith("shortcut.") and f.severity != "info"
    ] == []
    assert report.headline["majority"] == pytest.approx(1 / 6, abs=1e-3)
    assert report.headline["structure_only"] <= 1 / 6 + 0.05
    assert report.headline["query_only"] >= 0.95


def test_rows_that_offer_no_tools_are_no_evidence(tmp_path: Path) -> None:
    words = [
        {
            "messages": [
                {"role": "user", "content": f"what means {words_of(n)}"},
                {"role": "assistant", "content": words_of(n)},
            ]
        }
        for n in range(200)
    ]
    report = audit(tmp_path, [*rows(300), *words])
    assert not of(report, "shortcut.joint")
    assert report.headline["majority"] == pytest.approx(1 / 6, abs=1e-3)
    # They cannot call: what is missing are rows that could and do not.
    (finding,) = of(report, "balance.direct_answers")
    assert "of 300 examples that offer tools" in finding.message


def test_one_row_without_tools_that_calls_makes_the_others_evidence(tmp_path: Path) -> None:
    words = [
        {
            "messages": [
                {"role": "user", "content": f"what means {words_of(n)}"},
                {"role": "assistant", "content": words_of(n)},
            ]
        }
        for n in range(200)
    ]
    calls = {"messages": rows(1)[0]["messages"]}
    assert not of(audit(tmp_path, [*rows(300), *words, calls]), "balance.direct_answers")


def planted(share: float, change: Callable[[Row, Random], None]) -> Callable[[Row, str, Random], Row]:
    """Change this share of the rows of one tool, and a tenth of the others."""

    def apply(row: Row, name: str, random: Random) -> Row:
        if random.random() < (share if name == "find_user" else 0.1):
            change(row, random)
        return row

    return apply


def small_talk(row: Row, _random: Random) -> None:
    at = next(i for i, m in enumerate(row["messages"]) if m["role"] == "user")
    row["messages"][at:at] = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hello!"},
    ]


def fewer_tools(row: Row, _random: Random) -> None:
    name = row["messages"][-1]["tool_calls"][0]["function"]["name"]
    row["tools"] = [t for t in row["tools"] if t["function"]["name"] == name] + [
        t for t in row["tools"] if t["function"]["name"] != name
    ][:2]
    row["tools"].sort(key=lambda t: t["function"]["name"])


def recommended(row: Row, _random: Random) -> None:
    name = row["messages"][-1]["tool_calls"][0]["function"]["name"]
    row["tools"] = [
        tool(name, f"To {name} (recommended).") if t["function"]["name"] == name else t for t in row["tools"]
    ]


def numbered_system(row: Row, random: Random) -> None:
    row["messages"] = [m for m in row["messages"] if m["role"] != "system"]
    row["messages"].insert(0, {"role": "system", "content": f"You are agent {random.randint(1, 999)}."})


def shouted(row: Row, _random: Random) -> None:
    row["messages"][-2]["content"] = row["messages"][-2]["content"].upper()


def reasoned(row: Row, _random: Random) -> None:
    row["messages"][-1]["reasoning_content"] = "The user wants something."


def other_ids(row: Row, random: Random) -> None:
    row["messages"][-1]["tool_calls"][0]["id"] = f"toolu_{random.randint(1, 999)}"


def packed(row: Row, _random: Random) -> None:
    function = row["messages"][-1]["tool_calls"][0]["function"]
    function["arguments"] = function["arguments"].replace(": ", ":")


@pytest.mark.parametrize(
    ("change", "feature", "severity", "says"),
    [
        (small_talk, "earlier_turns", "fail", "earlier turns before the request"),
        (fewer_tools, "tools_offered", "fail", "3 tools offered"),
        (recommended, "called_description", "fail", "“recommended”"),
        (numbered_system, "system_text", "fail", "“You are agent"),
        (shouted, "request_case", "warn", "written in capitals"),
        (reasoned, "has_reasoning", "warn", "reasoning"),
        (other_ids, "id_prefix", "info", "toolu_…"),
        (packed, "argument_spacing", "warn", "no blanks"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_planted_cause_is_named_with_a_row_of_each_side(
    tmp_path: Path, change: Callable[[Row, Random], None], feature: str, severity: str, says: str
) -> None:
    report = audit(tmp_path, rows(420, planted(0.9, change)))
    found = [f for f in of(report, "shortcut.feature") if f.feature == feature]
    assert [(f.severity, says in f.message) for f in found] == [(severity, True)], [
        f.message for f in report.findings
    ]
    assert "find_user" in found[0].message
    assert "with it: train.jsonl:" in found[0].sides
    assert "without it: train.jsonl:" in found[0].sides
    # The cause is what a reader meets first.
    if severity == "fail":
        assert report.findings[0].feature == feature


def test_how_requests_are_written_is_judged_among_the_rows_of_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunewright.audit.audit_steps.FORM_SAMPLE", 200)
    report = audit(tmp_path, rows(420, planted(0.9, shouted)))
    (finding,) = [f for f in of(report, "shortcut.feature") if f.feature == "request_case"]
    assert "written in capitals" in finding.message
    # Rows outside of the sample are not counted as having another form.
    assert finding.support is not None
    assert 150 <= finding.support <= 250


def test_the_third_place_in_the_list_is_found_and_a_tool_that_is_always_called_does_not_hide_it(
    tmp_path: Path,
) -> None:
    def third(row: Row, name: str, _random: Random) -> Row:
        others = [t for t in row["tools"] if t["function"]["name"] != name]
        return {**row, "tools": [*others[:2], tool(name), *others[2:]]}

    def alone(number: int) -> Row:
        only = [tool("ring_bell"), tool("open_file")]
        if number % 2:
            only.reverse()
        return {
            "messages": [
                {"role": "user", "content": f"ring {words_of(number)}"},
                called("ring_bell", {"x": "a"}),
            ],
            "tools": only,
        }

    (finding,) = of(audit(tmp_path, [*rows(300, third), *map(alone, range(300))]), "shortcut.tool_position")
    assert (finding.severity, "third in the list" in finding.message) == ("fail", True)


def test_a_tool_at_the_top_of_the_file_is_named(tmp_path: Path) -> None:
    made = rows(300)
    top = [row for row in made if row["messages"][-1]["tool_calls"][0]["function"]["name"] == "find_user"][
        :30
    ]
    (finding,) = of(audit(tmp_path, [*top, *(row for row in made if row not in top)]), "shortcut.row_order")
    assert finding.message == "The first 30 rows of train all call find_user"
    assert not of(audit(tmp_path, made), "shortcut.row_order")


GIVEN: list[tuple[Row, Row, str]] = [
    (
        {"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        {"x": "1"},
        "x should be integer or null, it is text",
    ),
    ({"x": {"type": ["string", "null"]}}, {"x": 1}, "x should be string or null, it is an integer"),
    (
        {"x": {"type": "array", "items": {"type": "string"}}},
        {"x": ["a", 1]},
        "x[1] should be string, it is an integer",
    ),
    (
        {"x": {"type": "object", "properties": {"z": {"type": "integer"}}, "required": ["z"]}},
        {"x": {}},
        "x lacks z",
    ),
    ({"x": {"type": "integer", "maximum": 9}}, {"x": 12}, "x breaks maximum = 9"),
    ({"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}, {"x": None}, ""),
    ({"x": {"$ref": "http://127.0.0.1:9/never.json"}}, {"x": "a"}, ""),
    ({"x": {"$ref": "#/properties/x"}}, {"x": "a"}, ""),
]


def test_arguments_are_held_against_the_whole_schema(tmp_path: Path) -> None:
    made = [
        {
            "messages": [{"role": "user", "content": f"do {arguments}"}, called("do_it", arguments)],
            "tools": [tool("do_it", properties=schema)],
        }
        for schema, arguments, _ in GIVEN
    ]
    said = {row.line: f.message for f in of(audit(tmp_path, made), "call.arguments") for row in f.rows}
    assert said == {line: f"do_it: {fault}" for line, (_, _, fault) in enumerate(GIVEN, 1) if fault}


AMOUNTS: list[tuple[str, Any, bool]] = [
    ("Pay $1,250,000 to them", 1250000, True),
    ("Pay 1 250 000 to them", 1250000, True),
    ("Pay 1.25 million to them", 1250000, True),
    ("Pay 40k to them", 40000, True),
    ("Pay 300 euros to them", "300EUR", True),
    ("Pay 1,250 to them", 1251, False),
    ("Pay it to them", 1250000, False),
    ("Pay 300 euros to them", "301EUR", False),
]


def test_an_amount_is_said_however_it_is_written(tmp_path: Path) -> None:
    made = [
        {"messages": [{"role": "user", "content": request}, called("pay_it", {"x": value})]}
        for request, value, _ in AMOUNTS
    ]
    (finding,) = of(audit(tmp_path, made), "call.ungrounded")
    assert {row.line for row in finding.rows} == {
        line for line, (_, _, said) in enumerate(AMOUNTS, 1) if not said
    }


def test_a_request_at_the_end_is_a_warning_and_template_tokens_are_a_fault(tmp_path: Path) -> None:
    row = rows(1)[0]
    open_end = {
        **row,
        "messages": [
            *row["messages"],
            {"role": "tool", "content": "ok"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "thanks"},
        ],
    }
    assert audit(tmp_path, [open_end]).verdict == "warn"
    tokens = {
        "messages": [
            {"role": "user", "content": "hi there"},
            {"role": "assistant", "content": "Hello<|im_end|>"},
        ]
    }
    assert [f.severity for f in of(audit(tmp_path, [tokens]), "format.double_wrap")] == ["fail"]
    arrow = {
        "messages": [
            {"role": "user", "content": "what is a <|> b"},
            {"role": "assistant", "content": "A pipe |> it"},
        ]
    }
    assert not of(audit(tmp_path, [arrow]), "format.double_wrap")


def test_rows_are_exported_clean_or_with_their_reasons(tmp_path: Path) -> None:
    made = rows(20)
    made[3] = {**made[3], "messages": [*made[3]["messages"][:-1], {"role": "assistant", "content": " "}]}
    audit(tmp_path, made, export=tmp_path / "out")
    clean = [json.loads(line) for line in (tmp_path / "out" / "clean.jsonl").read_text().splitlines()]
    rejected = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert clean == made[:3] + made[4:]
    assert [(row["line"], row["row"]) for row in rejected] == [(4, made[3])]
    assert rejected[0]["reasons"][0]["check"] == "format.empty_content"


def test_an_accepted_warning_is_shown_and_does_not_count(tmp_path: Path) -> None:
    made = rows(120)
    assert audit(tmp_path, made).verdict == "warn"
    report = audit(tmp_path, made, accept={"balance.direct_answers": "a router answers these"})
    assert report.verdict == "pass"
    (finding,) = of(report, "balance.direct_answers")
    assert finding.to_json()["accepted"].endswith(": a router answers these")
