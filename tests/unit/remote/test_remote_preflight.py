"""A host's facts, judged."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from syrupy.assertion import SnapshotAssertion

from tunewright.contract.errors import HostError
from tunewright.remote.host_facts import HostFacts
from tunewright.remote.preflight import (
    GIB,
    HostFinding,
    Need,
    judge_disk,
    judge_facts,
    judge_memory,
    require_fit,
)

ROOT = PurePosixPath("/Users/bob/tunewright")
MAC = HostFacts(
    system="Darwin",
    arch="arm64",
    os_version="15.6",
    home=PurePosixPath("/Users/bob"),
    memory_bytes=64 * GIB,
    available_bytes=40 * GIB,
    disk_free_bytes=500 * GIB,
    uv=PurePosixPath("/opt/homebrew/bin/uv"),
    uv_version="uv 0.13.9",
    python=PurePosixPath("/opt/homebrew/bin/python3.12"),
    on_mains=True,
    case_insensitive=True,
)
LINUX = replace(
    MAC,
    system="Linux",
    arch="x86_64",
    os_version="Debian",
    glibc=(2, 36),
    compiler=PurePosixPath("/usr/bin/g++"),
    home=PurePosixPath("/home/bob"),
)


@pytest.mark.parametrize("facts", [MAC, LINUX], ids=["mac", "linux"])
def test_a_good_host_has_nothing_against_it(facts: HostFacts) -> None:
    assert {finding.severity for finding in judge_facts(facts, ROOT)} == {"pass"}


def faults(facts: HostFacts) -> list[HostFinding]:
    return [finding for finding in judge_facts(facts, ROOT) if finding.severity != "pass"]


WRONG = [
    (replace(MAC, uv=None), "uv", "fail"),
    (replace(LINUX, uv=None), "uv", "fail"),
    (replace(MAC, python=None), "python", "warn"),
    (replace(MAC, sleep_minutes=10), "sleep", "warn"),
    (replace(MAC, display_held=True), "display", "warn"),
    (replace(MAC, display_minutes=0), "display", "warn"),
    (replace(MAC, clock_ahead=90.0), "clock", "warn"),
    (replace(LINUX, clock_ahead=-3600.0), "clock", "warn"),
    (replace(MAC, disk_free_bytes=None), "disk", "warn"),
    (replace(MAC, arch="x86_64"), "system", "fail"),
    (replace(MAC, arch="x86_64", translated=True), "system", "fail"),
    (replace(MAC, os_version="13.7.1"), "system", "fail"),
    (replace(LINUX, glibc=(2, 31)), "system", "fail"),
    (replace(LINUX, glibc=None), "system", "fail"),
    (replace(LINUX, system="FreeBSD"), "system", "fail"),
    (replace(LINUX, compiler=None), "compiler", "warn"),
    (replace(MAC, on_mains=False), "power", "warn"),
    (replace(MAC, writable=False), "folder", "fail"),
    (replace(MAC, available_bytes=GIB), "memory", "warn"),
]


@pytest.mark.parametrize(("facts", "check", "severity"), WRONG)
def test_what_is_wrong_is_found(facts: HostFacts, check: str, severity: str) -> None:
    assert [(finding.check, finding.severity) for finding in faults(facts)] == [(check, severity)]


def test_what_is_wrong_is_said_with_its_fix(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(str(finding) for facts, *_ in WRONG for finding in faults(facts)) == snapshot


@pytest.mark.parametrize(
    "place", ["Desktop/x", "documents/work", "Downloads", "Library/Mobile Documents/com~apple~CloudDocs/x"]
)
def test_folders_that_macos_guards_are_refused(place: str) -> None:
    (finding,) = [f for f in judge_facts(MAC, PurePosixPath("/Users/bob") / place) if f.severity != "pass"]
    assert (finding.check, finding.severity) == ("folder", "fail")
    assert judge_facts(LINUX, PurePosixPath("/home/bob") / place)[0].severity == "pass"


def test_what_fails_comes_first() -> None:
    findings = judge_facts(replace(MAC, on_mains=False, uv=None, disk_free_bytes=0), ROOT)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=["fail", "warn", "pass"].index)


def test_a_macs_settings_are_told_when_they_are_well(snapshot: SnapshotAssertion) -> None:
    well = replace(MAC, sleep_minutes=0, display_minutes=10, filevault=True, clock_ahead=0.4)
    assert "\n".join(map(str, judge_facts(well, ROOT))) == snapshot
    assert "filevault" not in {finding.check for finding in judge_facts(MAC, ROOT)}, "it did not say"


def test_disk_is_judged_by_what_is_needed() -> None:
    need = Need("recipe small", disk=3 * GIB)
    enough = judge_disk(3 * GIB, ROOT, need, "mac")
    assert (enough.severity, "3.00 GiB free" in enough.message) == ("pass", True)
    short = judge_disk(3 * GIB - 1, ROOT, need, "mac")
    assert str(short) == (
        f"fail  disk      2.999999999 GiB free at {ROOT}, recipe small needs 3.000000000 GiB; "
        "make room there: ./inv clean --host mac"
    )
    assert judge_disk(0, ROOT, None, "mac").severity == "pass", "nothing is needed"


def test_memory_is_judged_by_what_is_needed() -> None:
    need = Need("recipe big", memory=29 * GIB, memory_budget=24 * GIB, memory_source="all of it")
    judged = judge_memory(need)
    assert judged is not None
    assert str(judged).startswith(
        "fail  memory    recipe big needs about 29.00 GiB to train, of 24.00 GiB (all of it); lower train.batch_size"
    )
    fits = judge_memory(replace(need, memory_budget=29 * GIB))
    assert fits is not None
    assert fits.severity == "pass"
    assert judge_memory(replace(need, memory_budget=None)) is None
    # What is free now is another matter: somebody else holds the rest.
    found = judge_facts(replace(MAC, available_bytes=20 * GIB), ROOT, replace(need, memory_budget=48 * GIB))
    assert [finding.severity for finding in found if finding.check == "memory"] == ["warn", "pass"]


def test_the_first_failure_is_raised_with_its_fix() -> None:
    with pytest.raises(HostError, match=r"mac: no uv") as error:
        require_fit("mac", judge_facts(replace(MAC, uv=None, on_mains=False), ROOT))
    assert "brew install uv" in error.value.hint
    assert len(require_fit("mac", judge_facts(MAC, ROOT))) > 3
