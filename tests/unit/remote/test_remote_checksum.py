"""A file is hashed on its host, while it arrives too, and has its final name only when its content is right."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tunewright.remote.checksum import STEP, SUM, Arriving, arriving
from tunewright.remote.local_host import LocalHost

DATA = os.urandom(3 * STEP + 12_345)
SHA256 = hashlib.sha256(DATA).hexdigest()
TOOLS = ("cut", "sha256sum", "printf")


def follow(folder: Path, data: bytes, begin: int = 0) -> Arriving:
    """A file of these bytes arrives piece by piece, the first `begin` of them earlier."""
    host = LocalHost(folder)
    part, final = PurePosixPath(folder / "part"), PurePosixPath(folder / "final")
    if begin:
        Path(part).write_bytes(data[:begin])
    with arriving(host, part, final, SHA256, len(DATA)) as file:
        for at in range(begin, len(data), 1_000_003):
            host.append(part, at, [data[at : at + 1_000_003]], file.moved_to)
            assert not (folder / "final").exists(), "its hash is not known yet"
    return file


@pytest.mark.parametrize("begin", [0, 1, 5_000_000])
def test_a_file_that_arrived_whole_has_its_name(tmp_path: Path, begin: int) -> None:
    assert follow(tmp_path, DATA, begin).published
    final = tmp_path / "final"
    assert final.read_bytes() == DATA
    assert final.stat().st_mode & 0o777 == 0o400
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


@pytest.mark.parametrize("wrong", ["shorter", "longer", "other", "none"])
def test_a_file_that_is_not_what_was_meant_is_left_alone(tmp_path: Path, wrong: str) -> None:
    data = {
        "shorter": DATA[:-1],
        "longer": DATA + b"!",
        "other": DATA[:STEP] + b"\0" * 100 + DATA[STEP + 100 :],
        "none": b"",
    }[wrong]
    assert not follow(tmp_path, data).published
    assert not (tmp_path / "final").exists()
    if data:
        assert (tmp_path / "part").read_bytes() == data


@pytest.mark.parametrize("stopped", [ConnectionError, KeyboardInterrupt])
def test_a_sender_that_breaks_off_leaves_the_part(tmp_path: Path, stopped: type[BaseException]) -> None:
    host, part = LocalHost(tmp_path), PurePosixPath(tmp_path / "part")
    with pytest.raises(stopped), arriving(host, part, part.with_name("final"), SHA256, len(DATA)) as file:
        host.append(part, 0, [DATA[:STEP]], file.moved_to)
        raise stopped
    assert not file.published
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


@pytest.mark.parametrize(
    "openssl",
    [
        None,
        'echo "OpenSSL 3.0.0"; [ "$1" = version ]',
        'case $1 in version) echo "OpenSSL 3.0.0";; *) echo "SHA2-256(stdin)= 00";; esac',
        'case $1 in version) echo "LibreSSL 3.3.6";; *) echo 0000;; esac',
    ],
)
def test_an_openssl_that_does_not_hash_is_not_used(tmp_path: Path, openssl: str | None) -> None:
    for name in TOOLS:
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    if openssl:
        (tmp_path / "openssl").write_text(f"#!/bin/sh\n{openssl}\n")
        (tmp_path / "openssl").chmod(0o755)
    assert hash_by(str(tmp_path), tmp_path) == SHA256


def test_the_hosts_own_tools_hash(tmp_path: Path) -> None:
    assert hash_by(os.environ["PATH"], tmp_path) == SHA256


def hash_by(path: str, folder: Path) -> str:
    (folder / "file").write_bytes(DATA)
    done = subprocess.run(
        ["/bin/sh", "-c", SUM + 'sum "$1"', "sh", str(folder / "file")],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()
