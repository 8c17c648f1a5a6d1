"""Two datasets for every check of the audit: one that passes it, and one that does not."""

from typing import Any

from tests.support.audit_rows import (
    LONG,
    TOOLS,
    Case,
    asks,
    base_with_template,
    call,
    changed,
    chat,
    good,
    labelled,
    last,
    openai,
    positioned,
    preferred,
    prose,
    recipe,
    says,
    schema,
    tool_of,
    weighed,
    with_objects,
    with_result,
    without_system,
)

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


def takes(tool: str, **properties: Any) -> dict[str, Any]:
    """A tool with these parameters."""
    return {"name": tool, "description": tool, "parameters": {"type": "object", "properties": properties}}


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
    "format.arrow_nulls": (
        Case(
            changed(
                good(), lambda r: {**r, "tools": [takes("look", query={"type": "string", "default": None})]}
            )
        ),
        Case(changed(good(), lambda r: {**r, "tools": [takes("look", query={"type": "string"}, city=None)]})),
    ),
    "format.blank_tools": (
        Case(changed(good(), lambda r: {**r, "tools": ""})),
        Case(changed(good(), lambda r: {**r, "tools": " \n"})),
    ),
    "format.arguments_type": (
        Case(OPENAI),
        Case(changed(OPENAI, with_objects, 3, 4)),
    ),
    "call.none_recognised": (
        # Of all answers of a file one call is enough; words alone are no fault where nothing is offered.
        Case(
            [*(says(n, tools=[schema("search")]) for n in range(1, 40)), openai(99)],
            [says(n) for n in range(500, 520)],
        ),
        Case(OPENAI, [last(openai(n), "CALL search WITH it") for n in (500, 501)]),
    ),
    "trainer.zero_weight": (
        Case(changed(good(), lambda r: weighed(r, 0), *range(59))),
        Case([weighed(r, 0) for r in good()]),
    ),
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
    "trainer.prefix": (
        Case(good(), recipe=recipe(base=str(base_with_template("qwen3")))),
        Case(
            [*good(), chat("And?", "No.", "Why?", "So.")],
            recipe=recipe(base=str(base_with_template("qwen3", thinks=False))),
        ),
    ),
    "trainer.dropped_rows": (Case(good(64), recipe=recipe()), Case(good(63), recipe=recipe())),
    "diversity.wording": (
        GOOD,
        Case(
            [
                *good(),
                *(chat(f"Look up page {n} of the book", call(f'print(look_up("{n}"))')) for n in range(30)),
            ]
        ),
    ),
    "shortcut.preference": (Case(preferred(120)), Case(preferred(120, longer=True))),
    "balance.label": (Case(labelled(120, 2)), Case(labelled(120, 40))),
    "label.suspect": (
        Case(good(120)),
        Case([*good(120), chat(f"search please {LONG}", call('print(read_page("name"))'))]),
    ),
    "text.secrets": (GOOD, Case([*good(), last(says(99), "The key is AKIAQ3EGSAYOPQRSTUVW, keep it.")])),
    "text.pii": (
        Case([*good(), prose(says(99))]),
        Case([*good(), last(says(99), "Write to jane.doe@gmail.com.")]),
    ),
}
# Checks that speak for information too: what counts is that nothing above it is found where all is well.
INFORMATION_ONLY = {"trainer.dropped_rows", "label.suspect"}
