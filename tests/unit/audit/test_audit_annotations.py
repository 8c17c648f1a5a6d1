"""Annotations: one workflow command a finding, which nothing in the data can end or begin."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.audit.annotations import annotation_lines
from tunewright.audit.audited import AuditedFile, AuditReport
from tunewright.audit.findings import Finding, RowRef

FILE = AuditedFile("data/train.jsonl", "train", 3, "0" * 64)


def lines(*findings: Finding) -> list[str]:
    return list(annotation_lines(AuditReport((FILE,), findings, {})))


def test_a_finding_is_shown_at_its_first_row() -> None:
    rows = (RowRef("data/train.jsonl", 17), RowRef("data/train.jsonl", 20))
    finding = Finding(
        "call.unparseable", "fail", "2 calls cannot be read", rows=rows, count=2, hint="Correct them."
    )
    assert lines(finding)[0] == (
        "::error file=data/train.jsonl,line=17,title=call.unparseable::2 calls cannot be read (2 rows). Correct them."
    )


@pytest.mark.parametrize(("severity", "level"), [("fail", "error"), ("warn", "warning"), ("info", "notice")])
def test_a_severity_has_its_level(severity: str, level: str) -> None:
    finding = Finding("balance.tool", severity, "uneven")  # pyright: ignore[reportArgumentType]
    assert lines(finding)[0] == f"::{level} title=balance.tool::uneven."


@given(st.text(), st.text(min_size=1), st.text())
def test_nothing_in_the_data_is_a_command(message: str, file: str, hint: str) -> None:
    said = lines(Finding("text.pii", "warn", message, rows=(RowRef(file, 1),), count=1, hint=hint))
    assert [len(line.splitlines()) for line in said] == [1, 1]
    properties = said[0].removeprefix("::warning ").partition("::")[0]
    assert re.fullmatch(r"file=[^:,\r\n]*,line=1,title=text\.pii", properties)
    assert not said[1].startswith("::")


def test_a_dataset_without_faults_has_the_verdict_alone() -> None:
    assert lines() == ["PASS: no faults in 3 examples."]
