"""Bytes to a host and back, over connections that break."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.support.faults import Fault, FaultyProxy, faulty_proxy
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import HostError
from tunewright.contract.manifest import FileEntry
from tunewright.remote import retry
from tunewright.remote.host import Host, open_host
from tunewright.remote.transfer import (
    blob_path,
    get_file,
    link_blobs,
    part_path,
    put_blobs,
    whole_files,
    write_file,
)

SIZE = 12_000_000


@pytest.fixture
def host(host_name: str, tmp_path: Path) -> Iterator[Host]:
    with open_host(host_name, tmp_path) as host:
        yield host


@pytest.fixture
def proxy(openssh: TestServer) -> Iterator[FaultyProxy]:
    with faulty_proxy(openssh.port) as proxy:
        yield proxy


@pytest.fixture
def broken(
    ssh: SshClient, openssh: TestServer, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    """The OpenSSH host behind the proxy; the first connection is there before any fault."""
    monkeypatch.setattr(retry, "WAITS", (0.01,))
    ssh.add("mac", openssh, port=proxy.port, options={"ServerAliveInterval": "1", "ServerAliveCountMax": "1"})
    with open_host("mac", tmp_path) as host:
        yield host


def make_file(path: Path, size: int = SIZE) -> tuple[Path, str]:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path, sha256_file(path)


def entry_of(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_file(path), size=path.stat().st_size)


def test_a_file_goes_there_and_comes_back_the_same(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "with 'odd' $(name) ü.bin")
    assert put_blobs(host, {sha256: source}, print) == SIZE
    target = tmp_path / "back" / "again"
    assert get_file(host, blob_path(host, sha256), target, entry_of(source), print) == SIZE
    assert target.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in target.parent.iterdir()) == ["again"]


def test_what_the_host_has_is_not_sent_again(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file", 100_000)
    put_blobs(host, {sha256: source}, print)
    assert put_blobs(host, {sha256: source}, print) == 0


def test_an_empty_file_is_a_file_too(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "empty", 0)
    put_blobs(host, {sha256: source}, print)
    target = tmp_path / "back"
    get_file(host, blob_path(host, sha256), target, entry_of(source), print)
    assert target.read_bytes() == b""


def test_a_blob_appears_at_each_place_that_needs_it(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file", 1000)
    put_blobs(host, {sha256: source}, print)
    places = [host.root / tmp_path.name / name for name in ("one", "a folder/two $(x)")]
    for _ in range(2):
        link_blobs(host, [(sha256, place) for place in places])
    assert [b"".join(host.stream(place)) for place in places] == [source.read_bytes()] * 2


def test_a_small_file_is_replaced_whole(host: Host, tmp_path: Path) -> None:
    host.run(["mkdir", "-p", str(host.root)])
    path = host.root / f"{tmp_path.name}.json"
    for data in (b"x" * 50_000, b"shorter"):
        write_file(host, path, data)
        assert b"".join(host.stream(path)) == data
    names = host.run(["ls", "-A", str(host.root)]).text.split()
    assert not [name for name in names if name.endswith(".part")]


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["cut", "stall", "corrupt"])
def test_an_upload_that_breaks_goes_on_where_it_was(
    kind: str, broken: Host, proxy: FaultyProxy, tmp_path: Path
) -> None:
    source, sha256 = make_file(tmp_path / "file")
    broken.close()
    proxy.faults += [Fault(kind, "up", 5_000_000)]  # type: ignore[arg-type]
    said: list[str] = []
    sent = put_blobs(broken, {sha256: source}, said.append)
    assert b"".join(broken.stream(blob_path(broken, sha256))) == source.read_bytes()
    assert any("trying again" in line for line in said)
    # What had arrived was not sent a second time.
    assert sent < SIZE
    leftovers = broken.run(["ls", "-A", str(broken.root / "blobs")]).text
    assert f".{sha256}" not in leftovers


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["cut", "stall", "corrupt"])
def test_a_download_that_breaks_goes_on_where_it_was(
    kind: str, broken: Host, proxy: FaultyProxy, tmp_path: Path
) -> None:
    source, sha256 = make_file(tmp_path / "file")
    put_blobs(broken, {sha256: source}, print)
    broken.close()
    proxy.faults += [Fault(kind, "down", 5_000_000), Fault(kind, "down", 4_000_000)]  # type: ignore[arg-type]
    said: list[str] = []
    target = tmp_path / "back"
    received = get_file(broken, blob_path(broken, sha256), target, entry_of(source), said.append)
    assert target.read_bytes() == source.read_bytes()
    assert len([line for line in said if "trying again" in line]) == 2
    assert received == SIZE


@pytest.mark.sshd
def test_a_transfer_that_never_gets_on_gives_up(broken: Host, proxy: FaultyProxy, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file", 1000)
    proxy.refusing = True
    proxy.cut_now()
    said: list[str] = []
    with pytest.raises(HostError):
        put_blobs(broken, {sha256: source}, said.append)
    assert len(said) == 5


def test_what_was_damaged_on_the_way_is_sent_again(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file", 300_000)
    put_blobs(host, {sha256: source}, print)
    blob = blob_path(host, sha256)
    host.run(["rm", "-f", str(blob)])
    host.append(part_path(host, sha256), 0, [b"these bytes are of something else"])
    said: list[str] = []
    put_blobs(host, {sha256: source}, said.append)
    assert said == ["file arrived damaged; sending it again"]
    assert b"".join(host.stream(blob)) == source.read_bytes()


def test_a_damaged_blob_is_sent_again(host: Host, tmp_path: Path) -> None:
    """Its size is right, and a byte of it is not."""
    source, sha256 = make_file(tmp_path / "file", 300_000)
    blob = blob_path(host, sha256)
    put_blobs(host, {sha256: source}, print)
    asked = [(sha256, blob), ("0" * 64, blob), (sha256, blob.with_name("none"))]
    assert whole_files(host, asked) == [True, False, False]
    data = source.read_bytes()
    host.run(["chmod", "u+w", str(blob)])
    host.append(blob, 0, [data[:-1] + bytes([data[-1] ^ 1])])
    assert whole_files(host, [(sha256, blob)]) == [False]
    assert put_blobs(host, {sha256: source}, print) == 300_000
    assert b"".join(host.stream(blob)) == data
    assert put_blobs(host, {sha256: source}, print) == 0


def test_a_half_sent_file_is_found_again_by_its_content(host: Host, tmp_path: Path) -> None:
    """Another run's copy of the file goes on where the first one's was cut off."""
    source, sha256 = make_file(tmp_path / "one" / "train.jsonl", 300_000)
    other = tmp_path / "another" / "data.jsonl"
    other.parent.mkdir()
    other.write_bytes(source.read_bytes())
    host.run(["mkdir", "-p", str(host.root / "blobs")])
    host.append(part_path(host, sha256), 0, [source.read_bytes()[:200_000]])
    assert put_blobs(host, {sha256: other}, print) == 100_000
    assert b"".join(host.stream(blob_path(host, sha256))) == source.read_bytes()


def test_a_file_that_is_not_what_its_manifest_says_is_refused(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file", 300_000)
    put_blobs(host, {sha256: source}, print)
    target = tmp_path / "back"
    for wrong in (
        FileEntry(sha256="0" * 64, size=300_000),
        FileEntry(sha256=sha256, size=299_999),
        FileEntry(sha256=sha256, size=300_001),
    ):
        with pytest.raises(HostError, match="not what its manifest says"):
            get_file(host, blob_path(host, sha256), target, wrong, lambda _: None)
    assert not list(tmp_path.glob("back*"))


def test_a_file_that_is_gone_is_named(host: Host, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"nothing-here is gone"):
        get_file(
            host,
            PurePosixPath(tmp_path) / "nothing-here",
            tmp_path / "back",
            FileEntry(sha256="0" * 64, size=1),
            print,
        )


def test_two_who_send_the_same_file_at_once_both_succeed(host_name: str, tmp_path: Path) -> None:
    one, sha256 = make_file(tmp_path / "file", 3_000_000)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "file"
    other.write_bytes(one.read_bytes())
    failures: list[HostError] = []

    def send(path: Path) -> None:
        try:
            with open_host(host_name, tmp_path) as host:
                put_blobs(host, {sha256: path}, print)
        except HostError as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(path,)) for path in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with open_host(host_name, tmp_path) as host:
        assert b"".join(host.stream(blob_path(host, sha256))) == one.read_bytes()


@pytest.mark.sshd
def test_a_full_disk_on_the_host_is_told_and_mended(
    ssh: SshClient, openssh: TestServer, tmp_path: Path
) -> None:
    disk = openssh.root / "blobs"
    disk.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    ssh.add("mac", openssh)
    source, sha256 = make_file(tmp_path / "file", 3_000_000)
    try:
        with open_host("mac", tmp_path) as host:
            with pytest.raises(HostError, match="full"):
                put_blobs(host, {sha256: source}, print)
            assert not (disk / sha256).exists()
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            put_blobs(host, {sha256: source}, print)
            assert sha256_file(disk / sha256) == sha256
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
