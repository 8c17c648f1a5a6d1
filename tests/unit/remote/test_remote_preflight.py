"""A host's facts, judged."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from tunewright.contract.errors import HostError
from tunewright.remote.host_facts import HostFacts
from tunewright.remote.preflight import GIB, Need, judge_disk, judge_facts, judge_memory, require_fit

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


@pytest.mark.parametrize(
    ("facts", "check", "severity", "words"),
    [
        (replace(MAC, uv=None), "uv", "fail", "brew install uv"),
        (replace(LINUX, uv=None), "uv", "fail", "docs.astral.sh/uv"),
        (replace(MAC, python=None), "python", "warn", "uv will download one"),
        (replace(MAC, sleep_minutes=10), "sleep", "warn", "sudo pmset -c sleep 0"),
        (replace(MAC, display_held=True), "display", "warn", "pmset displaysleepnow"),
        (replace(MAC, display_minutes=0), "display", "warn", "sudo pmset -c displaysleep 5"),
        (replace(MAC, clock_ahead=90.0), "clock", "warn", "90 s ahead of this machine's"),
        (replace(LINUX, clock_ahead=-3600.0), "clock", "warn", "3,600 s behind this machine's"),
        (replace(MAC, disk_free_bytes=None), "disk", "warn", "unknown"),
        (replace(MAC, arch="x86_64"), "system", "fail", "Apple Silicon"),
        (replace(MAC, arch="x86_64", translated=True), "system", "fail", "Rosetta"),
        (replace(MAC, os_version="13.7.1"), "system", "fail", "macOS 14"),
        (replace(LINUX, glibc=(2, 31)), "system", "fail", "glibc 2.35"),
        (replace(LINUX, glibc=None), "system", "fail", "glibc 2.35"),
        (replace(LINUX, system="FreeBSD"), "system", "fail", "not supported"),
        (replace(LINUX, compiler=None), "compiler", "warn", "g++"),
        (replace(MAC, on_mains=False), "power", "warn", "battery"),
        (replace(MAC, writable=False), "folder", "fail", "cannot be written"),
        (replace(MAC, available_bytes=GIB), "memory", "warn", "1.00 GiB"),
    ],
)
def test_what_is_wrong_is_found(facts: HostFacts, check: str, severity: str, words: str) -> None:
    findings = [finding for finding in judge_facts(facts, ROOT) if finding.severity != "pass"]
    assert [(finding.check, finding.severity) for finding in findings] == [(check, severity)]
    assert words in str(findings[0])


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


def test_a_macs_settings_are_told_when_they_are_well() -> None:
    well = replace(MAC, sleep_minutes=0, display_minutes=10, filevault=True, clock_ahead=0.4)
    found = {finding.check: str(finding) for finding in judge_facts(well, ROOT)}
    assert found["sleep"] == "pass  sleep     never sleeps on mains"
    assert found["display"] == "pass  display   its display sleeps after 10 minutes"
    assert "fdesetup authrestart" in found["filevault"]
    assert found["clock"].startswith("pass")
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
