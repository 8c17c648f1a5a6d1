"""Bytes to a host and back, over connections that break."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from paramiko import SFTPClient

from tests.support.faults import Fault, FaultyProxy, faulty_proxy
from tests.support.ssh_files import SshClient, TestServer
from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import HostError
from tunewright.contract.manifest import FileEntry
from tunewright.remote import retry, transfer
from tunewright.remote.host import Completed, Host, open_host
from tunewright.remote.transfer import (
    blob_path,
    get_file,
    get_files,
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


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a laptop that has sent nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def changed(path: Path, out: Path, new: int) -> tuple[Path, str]:
    """A copy with so many new bytes in its middle, a few old ones less, and a byte changed near its end."""
    data = bytearray(path.read_bytes())
    data[-100_000] ^= 1
    data[5_000_000:5_000_100] = os.urandom(new)
    out.write_bytes(data)
    return out, sha256_file(out)


def entry_of(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_file(path), size=path.stat().st_size)


def test_a_file_goes_there_and_comes_back_the_same(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "with 'odd' $(name) ü.bin")
    assert put_blobs(host, {sha256: source}, print) == SIZE
    target = tmp_path / "back" / "again"
    assert get_file(host, blob_path(host, sha256), target, entry_of(source), print) == SIZE
    assert target.read_bytes() == source.read_bytes()
    assert sorted(path.name for path in target.parent.iterdir()) == ["again"]


def recorded(host: Host, monkeypatch: pytest.MonkeyPatch, refuse: str = "") -> list[list[str]]:
    """The commands that the host is given; those with the word `refuse` fail."""
    asked: list[list[str]] = []
    run = host.run

    def counted(argv: list[str], **options: Any) -> Completed:
        asked.append(argv)
        if refuse and refuse in argv:
            raise HostError("refused")
        return run(argv, **options)

    monkeypatch.setattr(host, "run", counted)
    return asked


@pytest.mark.parametrize("refused", [False, True])
def test_a_file_is_hashed_while_it_arrives_or_else_afterwards(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    source, sha256 = make_file(tmp_path / "file")
    put_blobs(host, {}, print)
    asked = recorded(host, monkeypatch, refuse="-c" if refused else "")
    assert put_blobs(host, {sha256: source}, print) == SIZE
    assert ["-s" in argv for argv in asked if argv[0] == "/bin/sh"] == ([False, True] if refused else [False])
    assert b"".join(host.stream(blob_path(host, sha256))) == source.read_bytes()


def test_a_host_tells_how_much_it_has(host: Host, tmp_path: Path) -> None:
    path = PurePosixPath(tmp_path) / "there"
    told: list[int] = []
    host.append(path, 0, [b"x" * 1000], told.append)
    host.append(path, 1000, [os.urandom(1 << 18) for _ in range(40)], told.append)
    assert told == sorted(told)
    assert 1000 + (8 << 20) <= told[-1] <= 1000 + (10 << 20)


@pytest.mark.sshd
def test_a_server_that_takes_small_requests_alone_gets_them(
    broken: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSH ends a session that asks it to write more than 256 KiB at once."""
    monkeypatch.setattr(broken, "_request", 1 << 19)
    source, sha256 = make_file(tmp_path / "file")
    said: list[str] = []
    monkeypatch.setattr(transfer, "CHUNK", 1 << 20)
    put_blobs(broken, {sha256: source}, said.append)
    assert len([line for line in said if "trying again" in line]) == 1
    assert b"".join(broken.stream(blob_path(broken, sha256))) == source.read_bytes()


@pytest.mark.sshd
def test_what_waits_to_be_sent_has_not_arrived(broken: Host, proxy: FaultyProxy, tmp_path: Path) -> None:
    """Sockets and the server's window hold some MB more than the host has got."""
    broken.close()
    proxy.faults.append(Fault("stall", "up", 5_000_000))
    told: list[int] = []
    with pytest.raises(HostError):
        broken.append(PurePosixPath(tmp_path) / "there", 0, [os.urandom(1 << 18)] * 100, told.append)
    assert 2_000_000 < told[-1] <= 5_000_000


@pytest.mark.sshd
def test_the_rest_of_a_file_comes_once_to_a_busy_machine(
    ssh: SshClient,
    openssh: TestServer,
    proxy: FaultyProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where an answer comes before the next request is sent, paramiko's read-ahead requests everything a second time."""
    ask: Any = getattr(SFTPClient, "_async_request")  # noqa: B009

    def ask_late(client: SFTPClient, *arguments: Any) -> Any:
        time.sleep(0.02)
        return ask(client, *arguments)

    monkeypatch.setattr(SFTPClient, "_async_request", ask_late)
    passed: list[int] = []
    proxy.watch = lambda direction, count: passed.append(count if direction == "down" else 0)
    ssh.add("mac", openssh, port=proxy.port)
    with open_host("mac", tmp_path) as host:
        for size in (3_000_000, 1_000_000, 100_000):
            source, _ = make_file(tmp_path / "file", 1_000_000 + size)
            host.size(PurePosixPath(source))  # so that the connection is there
            passed.clear()
            assert b"".join(host.stream(PurePosixPath(source), 1_000_000)) == source.read_bytes()[1_000_000:]
            assert size < sum(passed) < size + 50_000


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
    # On a busy machine a connection whose keepalive comes late may break by itself, too.
    assert not proxy.faults
    assert len([line for line in said if "trying again" in line]) >= 2
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


def sent_of_a_changed_file(host: Host, tmp_path: Path, said: list[str], new: int = 1000) -> int:
    """Send a file after one that is almost the same; what that took. It arrives whole."""
    two, sha256 = changed(tmp_path / "file", tmp_path / "two", new)
    sent = put_blobs(host, {sha256: two}, said.append)
    assert b"".join(host.stream(blob_path(host, sha256))) == two.read_bytes()
    assert ".part" not in host.run(["ls", "-A", str(host.root / "blobs")]).text
    return sent


def test_of_a_changed_file_only_what_is_new_is_sent(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file")
    assert put_blobs(host, {sha256: source}, print) == SIZE
    said: list[str] = []
    assert 1000 < sent_of_a_changed_file(host, tmp_path, said) < 1_500_000
    assert not any("damaged" in line for line in said)
    # Positive control: a file that shares nothing.
    other, different = make_file(tmp_path / "other")
    assert put_blobs(host, {different: other}, print) == SIZE


def test_what_the_host_has_damaged_is_sent_whole(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file")
    put_blobs(host, {sha256: source}, print)
    blob, data = blob_path(host, sha256), bytearray(source.read_bytes())
    data[SIZE // 2] ^= 1
    host.run(["chmod", "u+w", str(blob)])
    host.append(blob, 0, [bytes(data)])
    said: list[str] = []
    assert sent_of_a_changed_file(host, tmp_path, said) > SIZE
    assert "two arrived damaged; sending it again" in said


def test_what_the_host_has_no_more_is_sent_whole(host: Host, tmp_path: Path) -> None:
    source, sha256 = make_file(tmp_path / "file")
    put_blobs(host, {sha256: source}, print)
    host.run(["rm", "-f", str(blob_path(host, sha256))])
    assert sent_of_a_changed_file(host, tmp_path, []) == SIZE + 900


@pytest.mark.sshd
@pytest.mark.parametrize("kind", ["cut", "stall", "corrupt"])
def test_what_is_new_goes_on_where_it_was_cut(
    kind: str, broken: Host, proxy: FaultyProxy, tmp_path: Path
) -> None:
    source, sha256 = make_file(tmp_path / "file")
    put_blobs(broken, {sha256: source}, print)
    broken.close()
    # A server may lose as much as its channel's window holds (2 MiB): only what is beyond that is on its disk.
    proxy.faults += [Fault(kind, "up", 5_000_000)]  # type: ignore[arg-type]
    said: list[str] = []
    # What had arrived of the new bytes was not sent a second time.
    assert 0 < sent_of_a_changed_file(broken, tmp_path, said, new=8_000_000) < 8_000_000
    assert any("trying again" in line for line in said)


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


def some_files(host: Host, tmp_path: Path, sizes: list[int]) -> list[tuple[PurePosixPath, Path, FileEntry]]:
    """Files on a host on this machine, and where they are to be here."""
    there = tmp_path / "there"
    found: list[tuple[PurePosixPath, Path, FileEntry]] = []
    for number, size in enumerate(sizes):
        path, _ = make_file(there / f"file {number}'s", size)
        found.append((PurePosixPath(path), tmp_path / "here" / str(number % 3) / str(number), entry_of(path)))
    return found


@pytest.mark.parametrize(
    ("size", "names", "commands"), [(None, None, 1), (2 << 20, None, 3), (None, 4000, 3)]
)
def test_many_small_files_come_by_a_few_commands(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int | None,
    names: int | None,
    commands: int,
) -> None:
    files = some_files(host, tmp_path, [0, 1, 5_000_000, *range(19_000, 19_250)])
    monkeypatch.setattr(transfer, "TOGETHER", size or transfer.TOGETHER)
    monkeypatch.setattr(transfer, "TOGETHER_NAMES", names or transfer.TOGETHER_NAMES)
    asked = recorded(host, monkeypatch)
    total = sum(entry.size for _, _, entry in files)
    assert get_files(host, files, print) == total
    for source, target, _ in files:
        assert target.read_bytes() == Path(source).read_bytes()
    assert not list(tmp_path.glob("here/*/*.part"))
    assert len(asked) >= commands if names else len(asked) == commands
    assert get_files(host, files, print) == 0, "what is here is not fetched again"


@pytest.mark.parametrize("wrong", ["longer", "shorter", "other", "gone", "pipe"])
def test_of_many_small_files_the_wrong_one_is_named(host: Host, tmp_path: Path, wrong: str) -> None:
    files = some_files(host, tmp_path, [3000] * 20)
    source = Path(files[7][0])
    if wrong == "longer":
        source.write_bytes(source.read_bytes() + b"!")
    elif wrong == "shorter":
        source.write_bytes(source.read_bytes()[:-1])
    elif wrong == "other":
        source.write_bytes(os.urandom(3000))
    else:
        source.unlink()
    if wrong == "pipe":
        os.mkfifo(source)
    with pytest.raises(HostError, match="file 7's"):
        get_files(host, files, lambda _: None)
    assert not files[7][1].exists()
    for there, target, _ in files[:7]:
        assert target.read_bytes() == Path(there).read_bytes()


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
