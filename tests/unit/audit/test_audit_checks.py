"""Every check passes where nothing is wrong, fails where it should, and has its page in docs/checks.md."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tunewright.audit.audit import AuditReport, audit_dataset
from tunewright.audit.run import all_checks
from tunewright.contract.recipe import Recipe, parse_recipe

ROOT = Path(__file__).parents[3]
Row = dict[str, Any] | str | bytes
LONG = "Show each place in the repository, and say in which file and on which line of it the old name"
SYSTEM = "You are a helpful assistant."
TOOLS = ("search", "read_page", "send_mail")


def call(code: str, before: str = "") -> str:
    head = f"{before}\n\n" if before else ""
    return f"{head}<tool_call><function=execute_code>\n<parameter=code>\n{code}\n</parameter>\n</function></tool_call>"


def chat(user: str, *turns: str, system: str | None = SYSTEM, **extra: Any) -> dict[str, Any]:
    """A row: the user speaks first, then turns alternate."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    for number, said in enumerate((user, *turns)):
        role = "user" if number % 2 == 0 else "assistant"
        messages.append({"role": role, "content": said})
    return {"messages": messages, **extra}


def words_of(number: int) -> str:
    """Six made-up words that no other number shares."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return " ".join("".join(chr(97 + int(c, 16)) for c in digest[k : k + 5]) for k in range(0, 30, 5))


def asks(number: int, tool: str = "search", **extra: Any) -> dict[str, Any]:
    """A request of its own wording that is answered by a call."""
    words = words_of(number)
    return chat(f"{tool} please {words}", call(f'print({tool}("{words.split()[0]}"))'), **extra)


def says(number: int, **extra: Any) -> dict[str, Any]:
    words = words_of(number)
    return chat(f"what means {words}", f"it means {words}", **extra)


def openai(
    number: int, tool: str = "search", arguments: Any = None, tools: Sequence[Any] = (), **extra: Any
) -> dict[str, Any]:
    row = asks(number, tool)
    given = json.dumps({"query": f"{number}"} if arguments is None else arguments)
    row["messages"][-1] = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": tool, "arguments": given}}],
    }
    return {**row, "tools": list(tools) or [schema(name) for name in TOOLS], **extra}


def schema(name: str) -> dict[str, Any]:
    properties = {"query": {"type": "string"}, "limit": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": ["query"]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def good(count: int = 60, start: int = 1) -> list[dict[str, Any]]:
    """Rows in which structure says nothing: tools in turn, a quarter direct answers."""
    return [
        says(n) if n % 4 == 0 else asks(n, TOOLS[n * 7 % 3])
        for n in sorted(range(start, start + count), key=lambda n: n * 37 % 101)
    ]


def changed(rows: list[dict[str, Any]], change: Callable[[dict[str, Any]], Row], *places: int) -> list[Row]:
    return [change(row) if number in (places or (1,)) else row for number, row in enumerate(rows)]


def without_system(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "messages": [m for m in row["messages"] if m["role"] != "system"]}


def last(row: dict[str, Any], content: str) -> dict[str, Any]:
    return {**row, "messages": [*row["messages"][:-1], {**row["messages"][-1], "content": content}]}


def tool_of(row: dict[str, Any]) -> str:
    found = re.search(r"print\((\w+)\(", row["messages"][-1]["content"])
    return found.group(1) if found else ""


def with_result(row: dict[str, Any], result: str) -> dict[str, Any]:
    return {
        **row,
        "messages": [
            *row["messages"],
            {"role": "tool", "content": result},
            {"role": "assistant", "content": "Done."},
        ],
    }


def recipe(**train: Any) -> Recipe:
    text = (ROOT / "recipes" / "tiny.toml").read_text(encoding="utf-8")
    for key, value in train.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {json.dumps(value)}", text, flags=re.MULTILINE)
    return parse_recipe(text, "tiny")


@dataclass
class Case:
    """Splits of one dataset, and how it is audited."""

    train: Sequence[Row]
    valid: Sequence[Row] = ()
    suite: Sequence[dict[str, Any]] = ()
    recipe: Recipe | None = None
    options: dict[str, Any] = field(default_factory=dict[str, Any])


def prose(row: dict[str, Any]) -> dict[str, Any]:
    return last(row, "See https://example.com or mail to someone@example.com, telephone 555-0199.")


def positioned(row: dict[str, Any], number: int, *, first: bool) -> dict[str, Any]:
    """The offered tools in another order: the right one first, or anywhere."""
    name = row["messages"][-1]["tool_calls"][0]["function"]["name"]
    names = (
        [name, *(t for t in TOOLS if t != name)] if first else [TOOLS[(number * 5 + k) % 3] for k in range(3)]
    )
    if number % 2 and not first:
        names.reverse()
    return {**row, "tools": [schema(n) for n in names]}


OPENAI = [openai(n, TOOLS[n * 7 % 3]) for n in range(1, 61)]
SORTED = sorted(good(120), key=tool_of)
SUITE = [
    {
        "id": "one",
        "category": "c",
        "messages": [{"role": "user", "content": "Which page names the capital of France?"}],
    }
]
CAPITAL = chat("Which page names the capital of  France?", call('print(search("capital of France"))'))

GOOD = Case(good())
# check: (a dataset that passes, one that does not)
FIXTURES: dict[str, tuple[Case, Case]] = {
    "format.unreadable_line": (GOOD, Case([*good(), '{"messages": [', "not json"])),
    "format.unknown_shape": (GOOD, Case([*good(), {"question": "?", "answer": "!"}])),
    "format.role_order": (
        GOOD,
        Case(
            changed(good(), lambda r: {**r, "messages": [*r["messages"], {"role": "system", "content": "x"}]})
        ),
    ),
    "format.empty_content": (GOOD, Case(changed(good(), lambda r: last(r, " \n ")))),
    "format.mixed_syntax": (
        GOOD,
        Case(
            changed(
                good(),
                lambda r: last(r, '<tool_call>{"name": "search", "arguments": {"q": "a"}}</tool_call>'),
            )
        ),
    ),
    "format.dialect": (
        GOOD,
        Case(changed(good(), lambda r: last(r, r["messages"][-1]["content"].replace(">\n<", "><")), 1, 2, 3)),
    ),
    "format.tags": (
        GOOD,
        Case(changed(good(), lambda r: last(r, r["messages"][-1]["content"].replace("</function>", "")))),
    ),
    "format.double_wrap": (
        GOOD,
        Case(
            changed(
                good(), lambda r: last(r, f"<tool_call>{r['messages'][-1]['content']}</tool_call>"), 1, 2, 3
            )
        ),
    ),
    "format.encoding": (GOOD, Case([*good(), '{"messages":[{"role":"user","content":"a"}],"x":NaN}'])),
    "format.key_sets": (GOOD, Case(changed(good(), lambda r: {**r, "extra": 1}))),
    "call.unparseable": (GOOD, Case(changed(good(), lambda r: last(r, call("print(search("))))),
    "call.unknown_tool": (Case(OPENAI), Case([*OPENAI, openai(99, "delete_all")])),
    "call.arguments": (Case(OPENAI), Case([*OPENAI, openai(99, arguments={"limit": "ten", "speed": 3})])),
    "call.ungrounded": (
        Case([*good(), chat("Read src/app.py", call('print(read_page("src/app.py", 3))'))]),
        Case(
            [
                chat(f"Read the module {n}", call(f'print(read_page("src/made_up_{n}.py", 4711))'))
                for n in range(30)
            ]
        ),
    ),
    "call.result_mismatch": (
        Case([*good(), with_result(asks(99), '{"hit_count": 2, "hits": ["a", "b"]}')]),
        Case([*good(), with_result(asks(99), '{"hit_count": 3, "hits": ["a", "b"]}')]),
    ),
    "coverage.system_message": (
        GOOD,
        Case([without_system(r) if tool_of(r) == "search" else r for r in good(120)]),
    ),
    "coverage.multi_turn": (
        GOOD,
        Case([with_result(r, "ok") if tool_of(r) not in ("", "search") else r for r in good(120)]),
    ),
    "coverage.preamble": (
        GOOD,
        Case(
            [
                last(r, "One moment.\n\n" + r["messages"][-1]["content"])
                if tool_of(r) not in ("", "search")
                else r
                for r in good(120)
            ]
        ),
    ),
    "balance.tool": (GOOD, Case([*good(), asks(99, "rare_tool")])),
    "balance.direct_answers": (GOOD, Case([asks(n, TOOLS[n % 3]) for n in range(1, 61)])),
    "duplicates.exact": (GOOD, Case([*good(), good()[5]])),
    "duplicates.near": (
        GOOD,
        Case(
            [
                *good(),
                *(
                    chat(
                        f"Please find every single place in the whole repository where the name is used, number {w}",
                        call('print(search("x"))'),
                    )
                    for w in "abcdefgh"
                ),
            ]
        ),
    ),
    "conflict.same_query_different_tool": (
        GOOD,
        Case(
            [
                *good(),
                chat("Find the page", call('print(search("x"))')),
                chat("find the  page", call('print(read_page("x"))')),
            ]
        ),
    ),
    "conflict.contradictory_first_turn": (
        GOOD,
        Case([*good(), chat("Find the page", call('print(search("x"))')), chat("Find the page", "No.")]),
    ),
    "split.leak_exact": (Case(good(), good(20, 500)), Case(good(), [*good(20, 500), good()[3]])),
    "split.leak_query": (
        Case(good(), good(20, 500)),
        Case(good(), [*good(20, 500), last(good()[3], "Another answer.")]),
    ),
    "split.leak_near": (
        Case(good(), good(20, 500)),
        Case(
            [
                *good(),
                chat(
                    f"{LONG} is used there",
                    "Here.",
                ),
            ],
            [
                *good(20, 500),
                chat(
                    f"{LONG} was used there",
                    "There.",
                ),
            ],
        ),
    ),
    "split.class_coverage": (
        Case(good(), good(40, 500)),
        Case(good(), [*good(20, 500), asks(99, "new_tool")]),
    ),
    "split.drift": (Case(good(), good(60, 500)), Case(good(), [asks(n, "search") for n in range(500, 560)])),
    "split.suite_contamination": (Case(good(), suite=SUITE), Case([*good(), CAPITAL], suite=SUITE)),
    "shortcut.feature": (
        Case(good(200)),
        Case([without_system(r) if tool_of(r) == "search" else r for r in good(200)]),
    ),
    "shortcut.joint": (
        Case(good(200)),
        Case([without_system(r) if tool_of(r) == "search" else r for r in good(200)]),
    ),
    "shortcut.tool_position": (
        Case([positioned(openai(n, TOOLS[n * 7 % 3]), n // 3, first=False) for n in range(1, 121)]),
        Case([positioned(openai(n, TOOLS[n * 7 % 3]), n, first=True) for n in range(1, 121)]),
    ),
    "shortcut.row_order": (Case(good(120)), Case(SORTED)),
    "trainer.truncated": (
        Case(good(), recipe=recipe(max_seq_length=2048)),
        Case(good(), recipe=recipe(max_seq_length=40)),
    ),
    "trainer.call_truncated": (
        Case(good(), recipe=recipe(max_seq_length=2048)),
        Case(good(), recipe=recipe(max_seq_length=40)),
    ),
    "trainer.call_untrained": (
        Case(good(), recipe=recipe(mask="assistant")),
        Case(
            [
                *good(),
                *(chat("Find it", call('print(search("it"))'), "And now?", "Found.") for _ in range(2)),
            ],
            recipe=recipe(mask="last_assistant"),
        ),
    ),
    "trainer.nothing_trained": (
        Case(good(), recipe=recipe()),
        Case(
            [*good(), {"messages": [{"role": "user", "content": "Hello there, is anybody in?"}]}],
            recipe=recipe(),
        ),
    ),
    "trainer.batches": (
        Case(good(160), recipe=recipe()),
        Case(sorted(good(160), key=tool_of), recipe=recipe()),
    ),
    "trainer.dropped_rows": (Case(good(64), recipe=recipe()), Case(good(63), recipe=recipe())),
    "text.secrets": (GOOD, Case([*good(), last(says(99), "The key is AKIAQ3EGSAYOPQRSTUVW, keep it.")])),
    "text.pii": (
        Case([*good(), prose(says(99))]),
        Case([*good(), last(says(99), "Write to jane.doe@gmail.com.")]),
    ),
}
# Checks that speak for information too: what counts is that nothing above it is found where all is well.
INFORMATION_ONLY = {"trainer.dropped_rows"}


def write(folder: Path, name: str, rows: Sequence[Row]) -> None:
    lines = [
        row if isinstance(row, bytes) else row.encode() if isinstance(row, str) else json.dumps(row).encode()
        for row in rows
    ]
    (folder / f"{name}.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def audit(case: Case, folder: Path) -> AuditReport:
    write(folder, "train", case.train)
    if case.valid:
        write(folder, "valid", case.valid)
    suites: list[Path] = []
    if case.suite:
        (folder / "suites").mkdir()
        write(folder / "suites", "capital", case.suite)
        suites = [folder / "suites" / "capital.jsonl"]
    return audit_dataset([folder], recipe=case.recipe, suites=suites)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], AuditReport]:
    """Audits each dataset once, however many checks look at it."""
    known: dict[int, AuditReport] = {}

    def look(case: Case) -> AuditReport:
        if id(case) not in known:
            known[id(case)] = audit(case, tmp_path_factory.mktemp("data"))
        return known[id(case)]

    return look


def ids() -> list[str]:
    return sorted(check.id for check in all_checks())


def test_every_check_has_a_passing_and_a_failing_fixture() -> None:
    assert sorted(FIXTURES) == ids()


@pytest.mark.parametrize("check", sorted(FIXTURES))
def test_a_check_is_silent_where_nothing_is_wrong(check: str, audited: Callable[[Case], AuditReport]) -> None:
    found = [f for f in audited(FIXTURES[check][0]).findings if f.check == check]
    assert [f.message for f in found if f.severity != "info"] == []
    if check in INFORMATION_ONLY:
        assert not found


@pytest.mark.parametrize("check", sorted(FIXTURES))
def test_a_check_finds_what_it_is_for(check: str, audited: Callable[[Case], AuditReport]) -> None:
    found = [f for f in audited(FIXTURES[check][1]).findings if f.check == check]
    assert found
    assert check in INFORMATION_ONLY or any(f.severity != "info" for f in found)
    assert all(f.message and f.reason for f in found)


def sections() -> dict[str, str]:
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    parts = re.split(r"^### `([a-z_.]+)`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def test_every_check_has_its_page_and_no_page_is_without_a_check() -> None:
    assert sorted(sections()) == ids()


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_page_gives_the_check_s_severity_reason_and_thresholds(check: Any) -> None:
    page = sections()[check.id]
    assert check.reason in page
    assert f"Severity: {check.severity}" in page
    for name, value in check.thresholds.items():
        assert f"`{name} = {value:g}`" in page
