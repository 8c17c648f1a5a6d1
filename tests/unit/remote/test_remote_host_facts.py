"""Facts about a host, from a Mac's words and from Linux's."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.mac import BOOT, make_mac
from tunewright.remote.host_facts import (
    HostFacts,
    clock_ahead,
    parse_facts,
    probe_host,
    probe_swap,
    read_values,
)
from tunewright.remote.local_host import LocalHost


def mac_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> LocalHost:
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
    return LocalHost(tmp_path)


def probe_mac(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> HostFacts:
    return probe_host(mac_host(tmp_path, monkeypatch, **changes))


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
    assert (facts.sleep_minutes, facts.display_minutes, facts.display_held) == (0, 10, False)
    assert facts.filevault is False
    assert facts.clock_ahead == 0
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


def test_a_macs_power_settings_are_those_on_mains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = probe_mac(tmp_path, monkeypatch, sleep=15, display=0, held=True, filevault="On")
    assert (facts.sleep_minutes, facts.display_minutes, facts.display_held) == (15, 0, True)
    assert facts.filevault is True


def test_swapping_is_seen_while_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = mac_host(tmp_path, monkeypatch, swapouts=1000)
    assert probe_swap(host, 1) == 1000 * os.sysconf("SC_PAGE_SIZE")


def test_memory_that_was_swapped_out_earlier_is_not_swapping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probe_swap(mac_host(tmp_path, monkeypatch), 1) == 0


def test_a_host_without_a_count_of_swapping_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = mac_host(tmp_path, monkeypatch)
    (tmp_path / "bin" / "vm_stat").write_text("#!/bin/sh\nexit 1\n")
    assert probe_swap(host, 1) is None


@pytest.mark.parametrize(
    ("said", "ahead"),
    [(1000, 0.0), (1004, 0.0), (999, -0.5), (1010, 4.5), (900, -99.5), (None, None)],
)
def test_a_clock_is_off_only_by_what_cannot_be_the_way_there(said: int | None, ahead: float | None) -> None:
    """The question left at 1000.5 and the answer came at 1005.5; the host says whole seconds."""
    assert clock_ahead(said, 1000.5, 1005.5) == ahead
