"""Every check passes where nothing is wrong, fails where it should, and has its page in docs/checks.md."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.audit_rows import ROOT, Case, Row, chat, good
from tests.support.check_fixtures import FIXTURES, INFORMATION_ONLY
from tunewright.audit.audit_steps import all_checks
from tunewright.audit.audited import AuditReport, audit_dataset


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
    """Audits each dataset once, however many checks look at it; two cases of the same content are one dataset."""
    known: dict[str, AuditReport] = {}

    def look(case: Case) -> AuditReport:
        content = repr(case)
        if content not in known:
            known[content] = audit(case, tmp_path_factory.mktemp("data"))
        return known[content]

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


def test_a_test_split_of_a_bases_own_answers_is_no_drift_and_lacks_no_tool(tmp_path: Path) -> None:
    said = [chat(f"what is thing{n} made of, in plain words", "Of parts.") for n in range(30)]
    for source, expected in (("rehearsed", set[str]()), ("other", {"split.drift", "split.class_coverage"})):
        folder = tmp_path / source
        folder.mkdir()
        write(folder, "train", good(90))
        write(folder, "test", [{**row, "meta": {"source": source}} for row in said])
        found = audit_dataset([folder]).findings
        assert {f.check for f in found if f.check in ("split.drift", "split.class_coverage")} == expected
