"""What the offered tools say: by definition nothing, in their order and company perhaps a lot."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tunewright.audit.audit import audit_dataset
from tunewright.audit.findings import Finding


def words(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return " ".join("".join(chr(97 + int(c, 16)) for c in digest[k : k + 5]) for k in range(0, 30, 5))


def row(number: int, tool: str | None, offered: list[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {"role": "assistant", "content": "No."}
    if tool:
        call = {"type": "function", "function": {"name": tool, "arguments": "{}"}}
        answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in offered
    ]
    return {"messages": [{"role": "user", "content": words(number)}, answer], "tools": tools}


def faults(folder: Path, rows: list[dict[str, Any]]) -> list[Finding]:
    (folder / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = audit_dataset([folder / "train.jsonl"]).findings
    return [f for f in found if f.check == "shortcut.feature" and f.severity != "info"]


def test_without_tools_there_is_no_call_by_definition(tmp_path: Path) -> None:
    rows = [row(n, "abc"[n % 3], ["a", "b", "c"]) for n in range(200)] + [
        row(n, None, []) for n in range(200, 400)
    ]
    assert faults(tmp_path, rows) == []


def test_a_tool_that_is_not_offered_is_not_called_by_definition(tmp_path: Path) -> None:
    rows = [row(n, "ab"[n % 2], ["a", "b"]) for n in range(200)] + [
        row(n, "cd"[n % 2], ["c", "d"]) for n in range(200, 400)
    ]
    assert faults(tmp_path, rows) == []


def test_fewer_tools_leave_fewer_to_choose_from_by_definition(tmp_path: Path) -> None:
    names = list("abcdefgh")
    rows = [row(n, "ab"[n % 2], ["a", "b"]) for n in range(300)] + [
        row(n, names[n % 8], names) for n in range(300, 600)
    ]
    assert not [f for f in faults(tmp_path, rows) if f.label == "tool"]


def test_an_order_that_goes_with_the_right_tool_is_a_fault(tmp_path: Path) -> None:
    orders = {"a": ["a", "b", "c"], "b": ["b", "c", "a"], "c": ["c", "a", "b"]}
    rows = [row(n, "abc"[n * 7 % 3], orders["abc"[n * 7 % 3]]) for n in range(300)]
    found = [f for f in faults(tmp_path, rows) if f.feature == "tool_order"]
    assert found
    assert found[0].severity == "fail"


def test_offering_tools_whenever_one_is_called_and_fewer_otherwise_is_a_fault(tmp_path: Path) -> None:
    rows = [row(n, "ab"[n % 2], ["a", "b", "c"]) for n in range(200)] + [
        row(n, None, ["a", "b"]) for n in range(200, 400)
    ]
    assert "tools_offered" in {f.feature for f in faults(tmp_path, rows)}
