"""What the audit says: JSON, terminal, page, annotations, SARIF; configuration and baseline."""

import contextlib
import html
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from jsonschema import Draft7Validator
from syrupy.assertion import SnapshotAssertion

from tests.support import planted_structure
from tests.support.kept_schemas import kept_schema
from tests.support.page_text import page_text
from tunewright.audit.annotations import annotation_lines
from tunewright.audit.audit_page import html_report
from tunewright.audit.audit_steps import all_checks
from tunewright.audit.audited import AuditReport, audit_dataset
from tunewright.audit.checks import parse_check
from tunewright.audit.config import read_config
from tunewright.audit.sarif import sarif
from tunewright.audit.sql import run_query
from tunewright.audit.terminal_report import silencing, terminal_text
from tunewright.contract.errors import UserError

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<style>body{display:none}</style>{{ 7*7 }}${7*7}\u202egnp.exe\x1b[31m\x00'\"><svg onload=document.title='owned'>"
)


def row(user: str, answer: str, system: str | None = "s") -> dict[str, Any]:
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": answer}]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *messages]}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with a shortcut, duplicates, a leak, and hostile text wherever text can stand."""
    folder = tmp_path_factory.mktemp("data <b>&\"' folder")
    words = ["".join(chr(97 + (n * k) % 23) for k in (3, 5, 7, 11, 13)) for n in range(60)]
    rows = [row(f"find {word} of it", "[search(at=1)]", None) for word in words]
    rows += [row(f"what means {word} then", f"it means {word}") for word in words]
    rows += [row(f"open {word} at once", "[open_page(at=2)]") for word in words]
    rows += [row(HOSTILE, f"{HOSTILE} {n}") for n in range(3)]
    rows += [{**row("q", "a"), HOSTILE: HOSTILE, "meta": {"source": HOSTILE}}, rows[0], rows[0]]
    rows += [row("w", f'<tool_call>{{"name": {json.dumps(HOSTILE)}, "arguments": {{"a": 1}}}}</tool_call>')]
    write(folder / "train.jsonl", rows)
    write(folder / "valid.jsonl", rows[:2])
    return folder


@pytest.fixture(scope="module")
def report(data: Path) -> AuditReport:
    return audit_dataset([data])


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> AuditReport:
    """Two tools without a system message and two with one, and a line that is not JSON."""
    with contextlib.chdir(tmp_path_factory.mktemp("planted")):
        train = write(Path("train.jsonl"), planted_structure.by_structure(60, 1))
        train.write_text(train.read_text() + "not json\n")
        return audit_dataset([train, write(Path("valid.jsonl"), planted_structure.by_structure(8, 2))])


def test_the_terminal_report_as_a_whole(planted: AuditReport, snapshot: SnapshotAssertion) -> None:
    assert terminal_text(planted, 100) == snapshot


def test_the_page_as_a_whole(planted: AuditReport, snapshot: SnapshotAssertion) -> None:
    assert page_text(html_report(planted)) == snapshot


def test_the_annotations_as_a_whole(planted: AuditReport, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(annotation_lines(planted)) == snapshot


def test_the_sarif_log_as_a_whole(planted: AuditReport, snapshot: SnapshotAssertion) -> None:
    first_rows = replace(planted, findings=tuple(replace(f, rows=f.rows[:1]) for f in planted.findings))
    assert json.dumps(sarif(first_rows), indent=1, ensure_ascii=False) == snapshot


def test_the_json_has_the_agreed_shape(report: AuditReport, data: Path) -> None:
    value = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert (value["schema"], value["verdict"]) == (1, "fail")
    assert [(f["split"], f["examples"]) for f in value["dataset"]["files"]] == [("train", 187), ("valid", 2)]
    assert re.fullmatch("[0-9a-f]{64}", value["dataset"]["files"][0]["sha256"])
    assert set(value["headline"]) == {"majority", "structure_only", "query_only"}
    first = value["findings"][0]
    assert (first["check"], first["feature"], first["label"]) == ("shortcut.feature", "has_system", "tool")
    assert first["rows"][0] == {"file": str(data / "train.jsonl"), "line": 1}
    assert all(len(f["rows"]) <= 20 for f in value["findings"])
    assert {f["severity"] for f in value["findings"]} <= {"fail", "warn", "info"}


def test_what_to_do_follows_the_verdict_and_its_command_shows_the_rows(report: AuditReport) -> None:
    lines = terminal_text(report, 3000).splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("FAIL:"))
    assert lines[place - 1].startswith(("Read:", "  "))
    assert lines[place + 1].startswith("What to do: Give every example the same system message")
    said, _, command = lines[place + 2].partition(": ")
    assert said == "Its rows"
    program, task, query, *flags = shlex.split(command)
    assert (program, task) == ("./inv", "sql")
    assert flags[::2] == ["--data"] * len(report.files)
    rows = json.loads(str(run_query(query, [Path(name) for name in flags[1::2]], None, "json", None)))
    first = report.findings[0]
    assert {row["check_id"] for row in rows} == {first.check}
    assert sum(row["message"] == first.message for row in rows) == first.count


def test_what_passes_has_nothing_to_do(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", [row("what is this", "a test")])
    passed = terminal_text(audit_dataset([path]))
    assert "PASS" in passed
    assert not re.search("What to do|Its rows|Meant so|Does not apply|Why:", passed)


def test_every_finding_names_its_page_and_what_silences_it(
    report: AuditReport, data: Path, tmp_path: Path
) -> None:
    pages = re.findall(r"^### `(.*)`$", Path("docs/checks.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {f"docs/checks.md#{check.replace('.', '')}": check for check in pages}
    assert {anchors[finding.page] for finding in report.findings} == {f.check for f in report.findings}
    page = html.unescape(html_report(report))
    for finding in report.findings:
        assert finding.page in page
        assert silencing(finding) in page
    by_severity = {finding.severity: finding for finding in reversed(report.findings)}
    assert silencing(by_severity["info"]) == ""
    table, line = re.findall(r"\[.*?\]|severity = .*$", silencing(by_severity["fail"]))
    (tmp_path / "audit.toml").write_text(f"{table}\n{line}\n")
    _, check, _, reason = shlex.split(silencing(by_severity["warn"]).partition("? ")[2])
    silenced = audit_dataset([data], config=tmp_path / "audit.toml", accept={check: reason})
    left = {finding.check: finding for finding in silenced.findings}
    assert by_severity["fail"].check not in left
    assert left[check].accepted


def test_a_check_of_a_user_has_no_page_of_ours(tmp_path: Path) -> None:
    (tmp_path / "checks").mkdir()
    own = "-- id: house.any\n-- severity: warn\n-- reason: r\nSELECT example FROM examples\n"
    (tmp_path / "checks" / "any.sql").write_text(own)
    (tmp_path / "audit.toml").write_text('folders = ["checks"]\n')
    path = write(tmp_path / "train.jsonl", [row("what is this", "a test")])
    (found,) = audit_dataset([path], config=tmp_path / "audit.toml").findings
    assert found.page == ""


def test_the_same_data_give_the_same_report(report: AuditReport, data: Path) -> None:
    assert audit_dataset([data]).to_json() == report.to_json()


def test_the_terminal_obeys_nothing_in_the_data(report: AuditReport) -> None:
    text = terminal_text(report, 100)
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    assert max(map(len, text.splitlines())) <= 100


def test_severities_come_in_order(report: AuditReport) -> None:
    order = ["fail", "warn", "info"]
    assert [order.index(f.severity) for f in report.findings] == sorted(
        order.index(f.severity) for f in report.findings
    )


class Tags(HTMLParser):
    """The names of all tags and attributes, as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_is_self_contained_and_its_policy_names_its_own_style_and_script(
    report: AuditReport,
) -> None:
    page = html_report(report)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1])  # pyright: ignore[reportOptionalSubscript]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    tags = Tags()
    tags.feed(page)
    assert "summary" in tags.names
    assert not tags.names & {"img", "svg", "link", "iframe", "a", "form", "object"}
    assert not [name for name in tags.attributes if name in ("src", "href", "style") or name.startswith("on")]
    assert page.count("<script") == 1


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_real_browser_shows_the_page_and_runs_nothing_of_the_data(
    report: AuditReport, tmp_path: Path
) -> None:
    page = html_report(report)
    # A second page without the policy: escaping alone has to hold as well.
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    for number, text in enumerate((page, bare)):
        path = tmp_path / f"{number}.html"
        path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [
                str(CHROMIUM),
                *[
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-sync",
                ],
                *["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"],
                f"--user-data-dir={tmp_path / f'profile{number}'}",
                "--dump-dom",
                path.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        dom = done.stdout
        assert "<title>FAIL" in dom
        assert "owned</title>" not in dom
        assert "No search example has a system message" in dom
        # The page's own script ran: it has shown the controls and hidden information.
        assert re.search(r'id="controls"(?! hidden)', dom)
        assert re.search(r'data-severity="info" hidden', dom)
        assert "Refused to" not in done.stderr


def test_sarif_validates_against_the_schema_of_the_standard(report: AuditReport) -> None:
    validator = Draft7Validator(kept_schema("sarif-schema-2.1.0.json"))
    empty = AuditReport((), (), {})
    without_rows = replace(report, findings=tuple(replace(f, rows=()) for f in report.findings))
    for valid in (report, empty, without_rows):
        log = json.loads(json.dumps(sarif(valid)))
        assert [error.message for error in validator.iter_errors(log)] == []
    log = json.loads(json.dumps(sarif(report)))
    log["runs"][0]["results"][0]["level"] = "fail"
    placed = next(result for result in log["runs"][0]["results"] if result["locations"])
    placed["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert len(list(validator.iter_errors(log))) == 2, "the schema does refuse what is wrong"


def test_sarif_has_what_the_standard_requires(report: AuditReport) -> None:
    log = json.loads(json.dumps(sarif(report)))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert len(run["results"]) == len(report.findings)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note", "none"}
        assert result["message"]["text"]
        for location in result["locations"]:
            physical = location["physicalLocation"]
            assert physical["region"]["startLine"] >= 1
            # RFC 3986: no spaces, quotes or angle brackets.
            assert re.fullmatch(r"[\w.~:/?#\[\]@!$&'()*+,;=%-]+", physical["artifactLocation"]["uri"])


def config(folder: Path, text: str) -> Path:
    (folder / "audit.toml").write_text(text, encoding="utf-8")
    return folder / "audit.toml"


def test_checks_are_suppressed_re_graded_and_given_other_thresholds(data: Path, tmp_path: Path) -> None:
    settings = """
        [checks."shortcut.feature"]
        severity = "off"
        [checks."coverage.system_message"]
        severity = "warn"
        [checks."duplicates.exact"]
        fail_share = 0.001
    """
    found = {f.check: f.severity for f in audit_dataset([data], config=config(tmp_path, settings)).findings}
    assert "shortcut.feature" not in found
    assert found["coverage.system_message"] == "warn"
    assert found["duplicates.exact"] == "fail"


def test_what_follows_by_definition_is_declared(data: Path, tmp_path: Path) -> None:
    settings = config(
        tmp_path, 'by_definition = [["has_system", "tool"], ["has_system", "call"], ["has_system", "calls"]]'
    )
    found = audit_dataset([data], config=settings).findings
    assert not [f for f in found if f.check == "shortcut.feature" and f.feature == "has_system"]


def test_a_check_of_one_s_own_is_a_file_in_a_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "short.sql").write_text(
        "-- id: house.short\n-- severity: warn\n-- threshold: fewest = 2\n-- reason: Short requests.\n"
        "-- message: {rows} requests are short\nSELECT example FROM examples WHERE length(request) < $fewest\n"
    )
    settings = config(tmp_path, 'folders = ["mine"]\n[checks."house.short"]\nfewest = 3')
    (mine,) = [
        f
        for f in audit_dataset([data], config=settings).findings
        if f.check == "house.short" and f.split == "train"
    ]
    assert (mine.severity, mine.count, mine.message) == ("warn", 2, "2 requests are short")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[checks", "not TOML"),
        ("cheks = 1", "cheks: no such key"),
        ('[checks."no.such"]\nseverity = "off"', "no such check"),
        ('[checks."text.pii"]\nseverity = "loud"', "severity: not understood"),
        ('folders = ["nowhere"]', "no folder of checks"),
        ("by_definition = [1]", "pairs are needed"),
    ],
)
def test_a_configuration_that_is_not_understood_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_config(config(tmp_path, text), all_checks())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1", "no `-- id:`"),
        ("-- id: Bad Name\n-- severity: fail\n-- reason: r\n", "not a check id"),
        ("-- id: a.b\n-- severity: loud\n-- reason: r\n", "severity 'loud'"),
        ("-- id: a.b\n-- colour: red\n", ":2: not a header line"),
        ("-- id: a.b\n-- threshold: many = few\n", ":2: a threshold"),
    ],
)
def test_a_check_without_a_proper_header_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_check(text, "own.sql")


def test_a_check_whose_sql_does_not_run_is_an_error_with_its_file(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.sql").write_text(
        "-- id: house.bad\n-- severity: warn\n-- reason: r\nSELECT nothing FROM nowhere"
    )
    with pytest.raises(UserError, match=r"bad\.sql: the check cannot be run"):
        audit_dataset([data], config=config(tmp_path, 'folders = ["mine"]'))


def test_a_baseline_leaves_what_is_known_and_reports_what_is_new(
    data: Path, report: AuditReport, tmp_path: Path
) -> None:
    baseline = tmp_path / "audit.json"
    baseline.write_text(json.dumps(report.to_json()))
    same = audit_dataset([data], baseline=baseline)
    assert (same.verdict, same.findings, same.known) == ("pass", (), len(report.findings))
    more = tmp_path / "more"
    shutil.copytree(data, more)
    with (more / "train.jsonl").open("a") as file:
        file.write((more / "train.jsonl").read_text().splitlines()[65] + "\nnot json\n")
    found = {f.check for f in audit_dataset([more], baseline=baseline).findings}
    assert {"duplicates.exact", "format.unreadable_line"} <= found
    assert "coverage.system_message" not in found


def test_a_baseline_that_is_none_is_an_error(data: Path, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(UserError, match="not an audit's JSON"):
        audit_dataset([data], baseline=tmp_path / "b.json")


def test_importing_the_package_loads_no_database() -> None:
    code = "import sys, tunewright.audit.audited; print({'duckdb', 'numpy', 'rich', 'jinja2'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_audit_loads_no_pydantic(data: Path) -> None:
    """It takes a fifth of a second, of the second and a half that a small audit takes."""
    code = (
        "import sys; from pathlib import Path; from tunewright.audit.audited import audit_dataset; "
        "audit_dataset([Path(sys.argv[1])]); print('duckdb' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False"


def test_a_disk_without_room_is_a_mistake_that_names_tmpdir(data: Path) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("could not write: No space left on device\nwith more lines")

    with pytest.raises(
        UserError, match="the audit ran out of room: could not write: No space left on device"
    ) as error:
        audit_dataset([data], report=full)
    assert "TMPDIR" in error.value.hint
    assert "more lines" not in error.value.message
