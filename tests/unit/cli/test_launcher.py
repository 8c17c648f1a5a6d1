"""The launcher: it takes the locked uv for any platform, verifies it, and says what is missing."""

import hashlib
import importlib.util
import io
import json
import os
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("get_uv", ROOT / "infra" / "get_uv.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


get_uv = load()


@pytest.mark.parametrize(
    ("system", "machine", "libc", "part"),
    [
        ("Linux", "x86_64", "glibc", "manylinux_2_17_x86_64"),
        ("Linux", "aarch64", "glibc", "manylinux_2_17_aarch64"),
        ("Linux", "x86_64", "", "musllinux_1_1_x86_64"),
        ("Darwin", "arm64", "", "macosx_11_0_arm64"),
        ("Darwin", "x86_64", "", "macosx_10_12_x86_64"),
    ],
)
def test_each_platform_gets_its_own_build(system: str, machine: str, libc: str, part: str) -> None:
    address, sha256 = get_uv.find_wheel(
        (ROOT / "uv.lock").read_text(), get_uv.wheel_pattern(system, machine, libc)
    )
    assert part in address
    assert address.startswith("https://")
    assert len(sha256) == 64


def test_a_machine_without_a_build_is_told_so() -> None:
    with pytest.raises(LookupError, match="no build"):
        get_uv.find_wheel((ROOT / "uv.lock").read_text(), get_uv.wheel_pattern("Linux", "vax", "glibc"))


def wheel_with(program: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("uv-1.data/scripts/uv", program)
    return buffer.getvalue()


def test_a_verified_wheel_becomes_one_executable_file(tmp_path: Path) -> None:
    wheel = wheel_with(b"#!/bin/sh\necho hi\n")
    path = get_uv.unpack(wheel, hashlib.sha256(wheel).hexdigest(), tmp_path / "bin")
    assert os.access(path, os.X_OK)
    assert [p.name for p in path.parent.iterdir()] == ["uv"]


def test_a_wheel_with_another_hash_is_never_unpacked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not the one that was locked"):
        get_uv.unpack(wheel_with(b"evil"), "0" * 64, tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_without_python_the_launcher_says_what_to_install(tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("dirname", "sh"):
        found = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        (bare / name).symlink_to(found)
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "inv").write_bytes((ROOT / "inv").read_bytes())
    done = subprocess.run(
        ["/bin/sh", str(clone / "inv"), "train"],
        env={"PATH": str(bare), "HOME": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "no Python 3.11 or newer found" in done.stderr
    assert not (clone / ".tools").exists()


def test_it_works_from_any_folder_and_imports_nothing_from_there(tmp_path: Path) -> None:
    code = (
        "<tool_call><function=execute_code>\n<parameter=code>\nf({})\n</parameter>\n</function></tool_call>"
    )
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"q {n}"},
                {"role": "assistant", "content": code.format(n)},
            ]
        }
        for n in range(2000)  # so many that helper processes are started
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("json", "front", "tasks", "invoke", "duckdb", "ast", "numpy"):
        (tmp_path / f"{name}.py").write_text("print('OWNED', flush=True)\nraise SystemExit(77)\n")
    (tmp_path / "tunewright").mkdir()
    (tmp_path / "tunewright" / "__init__.py").write_text("print('OWNED')\nraise SystemExit(77)\n")
    query = "SELECT count(*) AS n FROM calls"
    done = subprocess.run(
        [ROOT / "inv", "sql", query, "--data", "rows.jsonl", "--format", "csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["n", "2000"]
    assert "OWNED" not in done.stderr


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("0.7.22", False),
        ("0.8.0", True),
        ("0.13.9", True),
        ("0.20.1 (abc 2027-01-01)", True),
        ("1.0.0", True),
    ],
)
def test_every_uv_that_reads_the_lock_is_taken(version: str, taken: bool, tmp_path: Path) -> None:
    clone, tools = tmp_path / "clone", tmp_path / "bin"
    clone.mkdir()
    tools.mkdir()
    (clone / "inv").write_bytes((ROOT / "inv").read_bytes())
    for name in ("dirname", "sh"):
        found = next(p for p in (Path("/usr/bin") / name, Path("/bin") / name) if p.exists())
        (tools / name).symlink_to(found)
    uv = tools / "uv"
    uv.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "uv {version}"; else echo "taken: $*"; fi\n'
    )
    uv.chmod(0o755)
    done = subprocess.run(
        ["sh", str(clone / "inv"), "audit"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("taken: run") == taken, done.stderr
    assert taken or "no Python 3.11" in done.stderr
