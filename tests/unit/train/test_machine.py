"""What a worker takes from its machine: BLAS before everything else, wakefulness, and the boot it lives in."""

import os
import sys
from pathlib import Path

import pytest

from tunewright.train import machine
from tunewright.train.machine import boot_id, keep_awake, memory_kills, physical_memory, worker_environment


def test_a_worker_takes_the_machines_blas_and_does_not_start_itself_for_ever() -> None:
    made = worker_environment({"HOME": "/h"})
    assert made["HOME"] == "/h"
    assert made["MALLOC_TRIM_THRESHOLD_"]
    assert ("LD_PRELOAD" in made) is sys.platform.startswith("linux")
    assert worker_environment(made) == made


def test_a_mac_is_kept_awake_for_as_long_as_the_worker_lives_and_its_display_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "caffeinate"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    process = keep_awake()
    assert process is not None
    assert process.wait() == 0
    assert (tmp_path / "said").read_text().split() == ["-i", "-m", "-s", "-w", str(os.getpid())]


def test_a_machine_without_caffeinate_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(machine.shutil, "which", nowhere)
    assert keep_awake() is None


def test_the_boot_has_a_name_and_memory_a_size() -> None:
    assert boot_id()
    assert boot_id() == boot_id()
    assert memory_kills() >= 0
    assert physical_memory() > 1 << 28
