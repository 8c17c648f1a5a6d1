"""A host's facts, judged."""

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from tunewright.remote.preflight import GIB, judge_facts
from tunewright.remote.probe import HostFacts

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
    assert {finding.severity for finding in judge_facts(facts, ROOT)} == {"info"}


@pytest.mark.parametrize(
    ("facts", "check", "severity", "words"),
    [
        (replace(MAC, uv=None), "uv", "fail", "brew install uv"),
        (replace(LINUX, uv=None), "uv", "fail", "docs.astral.sh/uv"),
        (replace(MAC, python=None), "python", "warn", "uv will download one"),
        (replace(MAC, disk_free_bytes=GIB), "disk", "fail", "1.0 GiB free"),
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
        (replace(MAC, available_bytes=GIB), "memory", "warn", "1.0 GiB"),
    ],
)
def test_what_is_wrong_is_found(facts: HostFacts, check: str, severity: str, words: str) -> None:
    findings = [finding for finding in judge_facts(facts, ROOT) if finding.severity != "info"]
    assert [(finding.check, finding.severity) for finding in findings] == [(check, severity)]
    assert words in str(findings[0])


@pytest.mark.parametrize(
    "place", ["Desktop/x", "documents/work", "Downloads", "Library/Mobile Documents/com~apple~CloudDocs/x"]
)
def test_folders_that_macos_guards_are_refused(place: str) -> None:
    (finding,) = [f for f in judge_facts(MAC, PurePosixPath("/Users/bob") / place) if f.severity != "info"]
    assert (finding.check, finding.severity) == ("folder", "fail")
    assert judge_facts(LINUX, PurePosixPath("/home/bob") / place)[0].severity == "info"


def test_what_fails_comes_first() -> None:
    findings = judge_facts(replace(MAC, on_mains=False, uv=None, disk_free_bytes=0), ROOT)
    severities = [finding.severity for finding in findings]
    assert severities == sorted(severities, key=["fail", "warn", "info"].index)
