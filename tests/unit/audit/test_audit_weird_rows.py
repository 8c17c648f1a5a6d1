"""Rows that no loader expects: each is audited or named, and none makes a traceback."""

import json
from pathlib import Path
from typing import Any

from tunewright.audit.audit_page import html_report
from tunewright.audit.audited import audit_dataset
from tunewright.audit.sarif import sarif
from tunewright.audit.terminal_report import terminal_text
from tunewright.contract.recipe import load_recipe

ROOT = Path(__file__).parents[3]
OK = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
WEIRD: list[Any] = [
    {"messages": OK, "meta": "x"},
    {"messages": OK, "meta": [1]},
    {"messages": OK, "source": 5},
    {"messages": OK, "source": {"a": 1}},
    {"messages": [{"role": "user", "content": 5}, OK[1]]},
    {"messages": [{"role": "user", "content": True}, OK[1]]},
    {"messages": {"a": 1}},
    {"messages": [1]},
    {"messages": [None]},
    {"messages": [{"role": None}]},
    {"messages": []},
    {"messages": "x"},
    {"messages": None},
    {"messages": OK, "tools": "[1]"},
    {"messages": OK, "tools": {"a": 1}},
    {
        "messages": OK,
        "tools": [
            1,
            "x",
            None,
            {"function": 5},
            {"name": 5},
            {"name": "f", "parameters": 5},
            {"name": "f", "parameters": {"properties": [1], "required": "x"}},
        ],
    },
    *[
        {"messages": [OK[0], {"role": "assistant", "content": None, "tool_calls": t}]}
        for t in (
            "x",
            [None],
            [5],
            [{"function": "x"}],
            [{"function": {"name": 5, "arguments": 5}}],
            [{"function": {"name": "f", "arguments": [1]}}],
            [{"function": {"name": "f", "arguments": "[1]"}}],
            [{"function": {"name": "f", "arguments": None}}],
            [{"name": "f", "arguments": {"a/b~c": 1, "": 2, "$x": 3, "$": 1, "$9999999999": 1}}],
            {"a": 1},
            [],
        )
    ],
    {"messages": [{"role": "user", "content": "x"}] * 3000 + [OK[1]]},
    {"messages": [*OK, {"role": "tool", "content": "[1," * 50}]},
    {"conversations": [{"from": "function_call", "value": "{bad"}, {"from": "human", "value": None}]},
    {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "tool_result"},
                    {"type": "tool_result", "tool_use_id": 5, "content": 5},
                    {"type": "image_url", "image_url": [None, {"a": 1}]},
                    {"type": ["x"]},
                ],
            },
            OK[1],
        ]
    },
    {"messages": OK, "tools": '[{"name": "f"'},
    {
        "messages": OK,
        "tools": [{"name": "f", "parameters": {"a": {"type": ["x"]}, "b": {"type": "", "description": 5}}}],
    },
    {
        "messages": [
            {"role": "system", "content": '<tools>[{"name": "f", [{"name": 5}] </tools> {"name": ""}'},
            *OK,
        ]
    },
    {"query": 5, "answers": 5, "tools": 5},
    {"query": None, "answers": [None, 5, {"name": 5}], "tools": "[]"},
    {"query": "q", "answers": '[{"name": ', "tools": [{"name": "f"}], "system": 5},
    {
        "chat": "USER:ASSISTANT:<functioncall><functioncall> 5 <functioncall> {}\nFUNCTION RESPONSE:",
        "system": [5, None],
    },
    {"chat": ""},
    {"text": "[INST][/INST]"},
    {"text": "[/INST] [INST] <<SYS>><</SYS>> [TOOL_RESULTS] [/AVAILABLE_TOOLS] </s></s>[AVAILABLE_TOOLS] x"},
    {"input": {"a": 1}, "output": 5},
    {"input": None, "output": None, "system": "s", "history": [[None, 5]]},
    {"chosen": "Human:\n\nAssistant:\n\nAssistant:"},
    {"data": [{"messages": OK}]},
    {"text": ""},
    {"prompt": 5, "completion": []},
    {"prompt": None, "completion": None},
    {"chosen": 5},
    {"messages": OK, "messages2": 1, "": ""},
    [],
    [[]],
    5,
    "x",
    None,
    True,
    {
        "messages": [OK[0], {"role": "assistant", "content": "[f(1)]"}],
        "tools": [
            {
                "name": "f",
                "parameters": {
                    "type": "object",
                    "properties": {"a": {"type": ["string", "null"]}, "b": {}},
                    "required": ["a", 5],
                },
            }
        ],
    },
    {"messages": [{"role": "system", "content": '<tools>\n{bad\n[1]\n{"name":"g"}\n</tools>'}, *OK]},
    {
        "messages": [
            OK[0],
            {
                "role": "assistant",
                "content": "<tool_call><function=execute_code>\n<parameter=code>\n"
                + "(" * 3000
                + "\n</parameter>\n</function></tool_call>",
            },
        ]
    },
    {"messages": [OK[0], {"role": "assistant", "content": "[" * 100000 + "f("}]},
    {
        "messages": [
            OK[0],
            {
                "role": "assistant",
                "content": '<tool_call>{"name":"f","arguments":' + "[" * 5000 + "]" * 5000 + "}</tool_call>",
            },
        ]
    },
]


def test_weird_rows_are_audited_or_named_one_by_one(tmp_path: Path) -> None:
    lines = [json.dumps(w) for w in WEIRD] + [
        '{"messages":' + "[" * 200000,
        '{"messages":[{"role":"user","content":' + "[" * 100000 + "]" * 100000 + "}]}",
        '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"meta":{"source":"a","source":"b"}}',
        '{"a":1}{"b":2}',
        '\ufeff{"messages":[]}',
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "valid.jsonl").write_text(lines[0] + "\n")
    report = audit_dataset([tmp_path], recipe=load_recipe("tiny", ROOT))
    assert terminal_text(report)
    assert html_report(report)
    assert json.dumps([report.to_json(), sarif(report)], allow_nan=False)
    unread = sum(
        f.count for f in report.findings if f.check in ("format.unreadable_line", "format.unknown_shape")
    )
    assert report.examples + unread == len(lines) + 1
    assert all(len({row.line for row in f.rows}) == len(f.rows) for f in report.findings)
