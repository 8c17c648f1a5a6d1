"""What `ssh -G` and `ssh-keygen -F` say, read."""

from pathlib import Path

import pytest

from tests.support.ssh_files import SshClient
from tunewright.contract.errors import HostError
from tunewright.remote.ssh_config import (
    KnownKey,
    SshTarget,
    jump_name,
    parse_known_keys,
    parse_resolved,
    proxy_command,
    resolve_target,
)

ANSWER = """user bob
hostname 10.0.0.7
port 2222
identitiesonly no
serveralivecountmax 3
serveraliveinterval 0
connecttimeout none
identityfile ~/.ssh/id_ed25519
identityfile /keys/mac
userknownhostsfile /home/bob/.ssh/known_hosts /home/bob/.ssh/known_hosts2
globalknownhostsfile /etc/ssh/ssh_known_hosts
proxyjump u@gate:2200,b
"""


def test_everything_a_connection_needs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    target = parse_resolved("mac", ANSWER)
    assert (target.user, target.hostname, target.port) == ("bob", "10.0.0.7", 2222)
    assert target.identity_files == (Path("~/.ssh/id_ed25519").expanduser(), Path("/keys/mac"))
    assert [path.name for path in target.known_hosts] == ["known_hosts", "known_hosts2", "ssh_known_hosts"]
    assert target.jumps == ("u@gate:2200", "b")
    assert target.agent == "/run/agent"
    assert (target.connect_timeout, target.alive_interval, target.alive_count) == (10.0, 15.0, 3)
    assert target.label == "mac (bob@10.0.0.7:2222)"


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("serveraliveinterval 7", "alive_interval", 7.0),
        ("connecttimeout 4", "connect_timeout", 4.0),
        ("identityagent none", "agent", None),
        ("identityagent /one/password.sock", "agent", "/one/password.sock"),
        ("identityagent $OTHER_AGENT", "agent", "/other"),
        ("identitiesonly yes", "identities_only", True),
        ("hostkeyalias studio", "host_key_alias", "studio"),
        ("proxycommand none", "proxy_command", None),
        ("proxycommand nc %h %p", "proxy_command", "nc %h %p"),
    ],
)
def test_each_option_is_honoured(
    line: str, field: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_AGENT", "/other")
    key = line.split()[0]
    rest = "\n".join(old for old in ANSWER.splitlines() if not old.startswith(key))
    assert getattr(parse_resolved("mac", f"{line}\n{rest}\n"), field) == value


@pytest.mark.parametrize(
    ("port", "alias", "names"),
    [
        (22, None, ("mac.local",)),
        (2222, None, ("[mac.local]:2222", "mac.local")),
        (2222, "studio", ("studio",)),
    ],
)
def test_a_key_is_looked_for_under_the_names_openssh_uses(
    port: int, alias: str | None, names: tuple[str, ...]
) -> None:
    target = SshTarget("mac", "Mac.local", port, "bob", host_key_alias=alias)
    assert target.lookup_names == names


def test_an_answer_that_names_no_host_is_an_error() -> None:
    with pytest.raises(HostError, match="named no host"):
        parse_resolved("mac", "port 22\n")


def test_lines_of_known_hosts_are_told_apart() -> None:
    text = (
        "# Host [127.0.0.1]:22 found: line 1 \n"
        "|1|abc=|def= ssh-ed25519 AAAA comment\n"
        "@revoked host ssh-rsa BBBB\n"
        "@cert-authority *.host ssh-rsa CCCC\n"
        "damaged\n"
    )
    assert parse_known_keys(text) == [
        KnownKey("ssh-ed25519", "AAAA"),
        KnownKey("ssh-rsa", "BBBB", "@revoked"),
        KnownKey("ssh-rsa", "CCCC", "@cert-authority"),
    ]


def test_a_hop_with_a_port_is_an_address() -> None:
    assert [jump_name(hop) for hop in ("gate", "u@gate", "u@gate:22", "ssh://g:1")] == [
        "gate",
        "u@gate",
        "ssh://u@gate:22",
        "ssh://g:1",
    ]


def test_the_tokens_of_a_proxy_command_are_filled_in_once() -> None:
    target = SshTarget("mac", "h%p", 22, "bob", proxy_command="nc %h %p %r %n %% %x")
    assert proxy_command(target) == "/bin/sh -c 'exec nc h%p 22 bob mac % %x'"


def test_ssh_itself_resolves_patterns_and_includes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = SshClient(tmp_path)
    (tmp_path / "more").write_text("Host mac-*\n  HostName %h.example.org\n  User someone\n")
    client.config.write_text(f"Include {tmp_path / 'more'}\n")
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", str(client.config))
    target = resolve_target("mac-studio")
    assert (target.hostname, target.user, target.port) == ("mac-studio.example.org", "someone", 22)


def test_a_config_that_ssh_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("Nonsense yes\n")
    monkeypatch.setenv("TUNEWRIGHT_SSH_CONFIG", str(tmp_path / "config"))
    with pytest.raises(HostError, match="ssh cannot resolve mac") as error:
        resolve_target("mac")
    assert "~/.ssh/config" in error.value.hint


def test_a_machine_without_ssh_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="`ssh` is not installed"):
        resolve_target("mac")
