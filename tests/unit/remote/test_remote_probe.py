"""Facts about a host, from a Mac's words and from Linux's."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mac import BOOT, make_mac
from tunewright.remote.local_host import LocalHost
from tunewright.remote.probe import HostFacts, parse_facts, probe_host, read_values


def probe_mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> HostFacts:
    mac = make_mac(tmp_path / "bin", **changes)  # type: ignore[arg-type]
    uv = mac / "uv"
    uv.write_text(
        '#!/bin/sh\ncase "$*" in --version) echo "uv 0.13.9" ;; *find*) echo /opt/python3.12 ;; esac\n'
    )
    uv.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("PATH", f"{mac}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("UV", str(uv))
    return probe_host(LocalHost(tmp_path))


def test_a_mac_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = probe_mac(tmp_path, monkeypatch)
    assert (facts.system, facts.arch, facts.os_version) == ("Darwin", "arm64", "15.6.1")
    assert facts.memory_bytes == 64 << 30
    assert facts.wired_limit == 56 << 30
    assert facts.available_bytes == (3_000_000 + 400_000 + 10_000 + 5_000) * 16384
    assert facts.disk_free_bytes == 500_000_000 * 1024
    assert facts.boot_time == BOOT
    assert facts.on_mains is True
    assert facts.chip == "Apple M2 Ultra"
    assert not facts.translated
    assert facts.uv == PurePosixPath(tmp_path / "bin" / "uv")
    assert facts.python == PurePosixPath("/opt/python3.12")
    assert facts.home == PurePosixPath(tmp_path / "home")


def test_a_mac_on_battery_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe_mac(tmp_path, monkeypatch, power="Now drawing from 'Battery Power'").on_mains is False


def test_rosetta_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = probe_mac(tmp_path, monkeypatch, arch="x86_64", sysctl={"sysctl.proc_translated": "1"})
    assert facts.translated


def test_a_mac_that_sets_no_wired_limit_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = probe_mac(tmp_path, monkeypatch, sysctl={"iogpu.wired_limit_mb": "0"})
    assert facts.wired_limit is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="not Linux")
def test_this_linux_is_read(tmp_path: Path) -> None:
    facts = probe_host(LocalHost(tmp_path))
    assert facts.system == "Linux"
    assert facts.memory_bytes is not None
    assert facts.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts.boot_time is not None
    assert facts.disk_free_bytes is not None
    assert facts.writable


def test_nothing_is_written_by_looking(tmp_path: Path) -> None:
    probe_host(LocalHost(tmp_path / "not there yet"))
    assert list(tmp_path.iterdir()) == []


def test_a_banner_and_odd_lines_are_passed_over() -> None:
    text = "Welcome to = mac\nPATH=/x\nsystem=Darwin\nodd key=1\nhome=/Users/bob smith\n"
    assert read_values(text) == {"system": "Darwin", "home": "/Users/bob smith"}


@given(st.dictionaries(st.sampled_from(["system", "disk", "boot", "glibc", "memory_bytes", "uv", "pages",
                                        "wired_limit_mb", "power", "home", "battery"]), st.text(max_size=30)))  # fmt: skip
def test_whatever_a_host_says_becomes_facts(values: dict[str, str]) -> None:
    facts = parse_facts(values)
    assert facts.disk_free_bytes is None or facts.disk_free_bytes >= 0
    assert facts.uv is None or facts.uv.is_absolute()
