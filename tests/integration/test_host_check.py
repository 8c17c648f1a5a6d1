"""`host.check`: a line for each thing that matters, against the plan of the recipe, each with what fixes it."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import Inv, Said, commands_on
from tests.support.mac import make_mac
from tests.support.ssh_files import SshClient, refusing_port
from tests.support.sshd import start_sshd
from tunewright.cli import planning
from tunewright.cli.fitness import require_plan_fits
from tunewright.contract.errors import HostError
from tunewright.contract.recipe import load_recipe
from tunewright.remote import host_checks
from tunewright.remote.environment import Environment
from tunewright.remote.host import Host, open_host
from tunewright.remote.host_checks import check_access, check_product, check_queue
from tunewright.remote.host_facts import HostFacts

ROOT = Path(__file__).parents[2]
NOISE = "printf 'Welcome to the lab!\\n'; exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\""
LINE = re.compile(r"^(pass|warn|fail)  [a-z]+ +\S.*$")
Check = Callable[..., Said]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """`./inv host.check` in this checkout."""
    inv: Inv = commands_on(ROOT, monkeypatch)

    def run(host: str, recipe: str = "tiny") -> Said:
        return inv("host.check", "--host", host, "--recipe", recipe)

    return run


def lines(said: Said) -> dict[str, str]:
    """The lines by check, the last one of each; every line has the form that is promised."""
    shown = said.out.splitlines()
    assert [line for line in shown if not LINE.match(line)] == []
    severities = [line[:4] for line in shown]
    assert severities == sorted(severities, key=["fail", "warn", "pass"].index)
    return {line.split()[1]: line for line in reversed(shown)}


@pytest.mark.sshd
def test_a_bare_host_gets_every_line_and_stays_as_it_was(
    check: Check, ssh: SshClient, tmp_path: Path
) -> None:
    with start_sshd(tmp_path / "sshd") as server:
        said = check(ssh.add("lab", server))
        assert not server.root.exists()
    found = lines(said)
    assert said.code == 0, said.err
    for name in ("reach", "shell", "sftp", "system", "uv", "disk", "memory", "clock", "swap"):
        assert name in found
    assert re.search(r"answers in \d+ ms; its key \S*SHA256:\S+ is in known_hosts", found["reach"])
    assert "recipe tiny needs" in found["disk"]
    assert "recipe tiny needs about" in found["memory"]
    assert found["product"].startswith("warn")
    assert "./inv host.setup --host lab" in found["product"]


@pytest.mark.sshd
def test_a_shell_that_greets_is_told_with_its_words(check: Check, ssh: SshClient, tmp_path: Path) -> None:
    with (
        start_sshd(tmp_path / "sshd", login_shell=NOISE) as server,
        open_host(ssh.add("lab", server), tmp_path) as host,
    ):
        found = {finding.check: str(finding) for finding in check_access(host)}
    assert found["shell"].startswith("warn")
    assert "Welcome to the lab!" in found["shell"]
    assert "case $- in" in found["shell"]
    assert found["sftp"] == "pass  sftp      moves files"


@pytest.mark.sshd
def test_a_server_without_sftp_fails_in_one_line(check: Check, ssh: SshClient, tmp_path: Path) -> None:
    with start_sshd(tmp_path / "sshd", sftp=False) as server:
        said = check(ssh.add("lab", server))
    assert said.code == 4
    assert lines(said)["sftp"].startswith(
        "fail  sftp      its SSH server transfers no files; Its sshd_config needs"
    )
    assert "lab is not fit for tiny" in said.err
    assert "Traceback" not in said.err


@pytest.mark.sshd
def test_an_account_that_runs_nothing_fails_in_one_line(check: Check, ssh: SshClient, tmp_path: Path) -> None:
    refusal = "echo 'This account is currently not available.'; exit 1"
    with start_sshd(tmp_path / "sshd", login_shell=refusal) as server:
        said = check(ssh.add("lab", server))
    assert said.code == 4
    assert "runs no command: This account is currently not available." in lines(said)["shell"]


def test_a_host_that_nobody_knows_is_told(check: Check, ssh: SshClient) -> None:
    said = check("nowhere.invalid")
    assert (said.code, said.out) == (4, "")
    assert "nowhere.invalid" in said.err


def test_a_recipe_that_does_not_exist_is_a_wrong_word(check: Check) -> None:
    assert check("local", "no-such-recipe").code == 2


@pytest.mark.sshd
def test_a_mac_look_alike_is_judged_as_a_mac(check: Check, ssh: SshClient, tmp_path: Path) -> None:
    mac = make_mac(
        tmp_path / "mac", sleep=10, display=0, filevault="On", swapouts=2000, free_kib=2048, version="15.6.1"
    )
    if shutil.which("shasum") is None:
        (mac / "shasum").write_text('#!/bin/sh\n[ "$1 $2" = "-a 256" ] && exec sha256sum\n')
        (mac / "shasum").chmod(0o755)
    with start_sshd(tmp_path / "sshd", path=f"{mac}:/usr/bin:/bin:/usr/sbin:/sbin") as server:
        said = check(ssh.add("mac", server))
    found = lines(said)
    assert said.code == 4
    assert found["disk"].startswith("fail")
    assert "2.0 MiB free" in found["disk"]
    assert "./inv clean --host mac" in found["disk"]
    assert found["sleep"].endswith("sudo pmset -c sleep 0")
    assert "pmset displaysleepnow" in found["display"]
    assert "fdesetup authrestart" in found["filevault"]
    assert found["swap"].startswith("warn  swap      grows by")
    assert "of 56.00 GiB (iogpu.wired_limit_mb)" in found["memory"]


def test_train_is_refused_by_the_plans_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The look-alike's `df` says what is free; what is needed is the plan's, and no fixed number."""
    recipe = load_recipe("tiny", ROOT)
    bare = os.environ["PATH"]

    def free(kib: int) -> None:
        folder = make_mac(tmp_path / str(kib), free_kib=kib)
        for name in folder.iterdir():
            if name.name != "df":
                name.unlink()
        monkeypatch.setenv("PATH", f"{folder}:{bare}")

    data = tmp_path / "no data yet"
    with open_host("local", ROOT) as host:
        needed = planning.make_plan(recipe, host, data=data).disk_needed
        assert 0 < needed < 3 << 30, "a fixed 3 GiB would pass no test below"
        free(needed // 1024 + 1)
        require_plan_fits(recipe, host, None, data)
        assert "warning" not in capsys.readouterr().err
        free(needed // 1024 - 1)
        with pytest.raises(HostError, match="recipe tiny needs") as error:
            require_plan_fits(recipe, host, None, data)
    has, needs = re.findall(r"[\d.,]+ [KMG]iB", error.value.message)
    assert has != needs
    assert "./inv clean --host local" in error.value.hint


def test_train_only_warns_of_estimated_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def little(facts: HostFacts) -> tuple[int, str]:
        return 1 << 20, f"a small {facts.system}"

    monkeypatch.setattr(planning, "memory_budget", little)
    with open_host("local", ROOT) as host:
        require_plan_fits(load_recipe("tiny", ROOT), host, None, tmp_path)
    assert "warning: recipe tiny needs about" in capsys.readouterr().err


def environment(folder: Path, answer: str, code: int = 0) -> Environment:
    """An environment whose Python answers that to everything."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\necho why >&2\nexit {code}\n")
    python.chmod(0o755)
    return Environment("3" * 64, str(python))


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            '{"name": "package", "gflops": 151.4}',
            "pass  product   151 GFLOP/s with OpenBLAS, which comes with",
        ),
        ('{"name": "metal", "gflops": 9000}', "pass  product   9,000 GFLOP/s with Metal"),
        ('{"name": "reference", "gflops": 6.2}', "warn  product   6 GFLOP/s with mlx's own BLAS"),
        ('{"name": "package", "gflops": 0.0}', "fail  product   two matrices could not be multiplied"),
        ("null", "fail  product   mlx does not start there: why"),
        ("[1, 2]", "fail  product   mlx does not start there: why"),
        ("", "fail  product   mlx does not start there: why"),
    ],
)
def test_a_product_of_matrices_is_judged(answer: str, shown: str, tmp_path: Path) -> None:
    with open_host("local", tmp_path) as host:
        assert str(check_product(host, environment(tmp_path, answer))).startswith(shown)


def test_a_busy_host_says_that_a_new_run_waits(tmp_path: Path) -> None:
    busy = '{"at_work": {"run": "a", "left": "about 90 minutes"}, "waiting": [{"run": "b"}, {"run": "c"}]}'
    idle = '{"at_work": null, "waiting": []}'
    with open_host("local", tmp_path) as host:
        assert str(check_queue(host, environment(tmp_path, busy))) == (
            "warn  queue     a is at work (about 90 minutes), 2 wait: a new run waits its turn; "
            "./inv queue --host local"
        )
        assert check_queue(host, environment(tmp_path, idle)).severity == "pass"
        paused = environment(tmp_path, idle.replace("}", ', "paused": "quiet hours until 07:00"}'))
        assert str(check_queue(host, paused)).startswith(
            "warn  queue     quiet hours until 07:00: a new run waits"
        )
        with pytest.raises(HostError):
            check_queue(host, environment(tmp_path, "nothing", code=1))


@pytest.mark.sshd
def test_several_hosts_are_one_table_with_what_is_wrong_below(
    check: Check, ssh: SshClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def no_swapping(_: Host) -> float:  # a real rate differs from look to look
        return 0.0

    monkeypatch.setattr(host_checks, "probe_swap", no_swapping)
    inv: Inv = commands_on(ROOT, monkeypatch)
    with start_sshd(tmp_path / "sshd", login_shell=NOISE) as server, refusing_port() as port:
        ssh.add("lab", server)
        ssh.add("gone", server, port=port)
        said = inv("host.check", "--host", "lab", "--host", "gone", "--recipe", "tiny")
        alone = check("lab")
    rows = {line.split()[0]: line.split()[1:] for line in said.out.splitlines()[: len(lines(alone)) + 1]}
    assert said.code == 4
    assert rows["check"] == ["lab", "gone"]
    assert rows["reach"] == ["pass", "fail"]
    assert rows["shell"] == ["warn", "-"]
    found = {name: cells[0] for name, cells in rows.items() if name != "check"}
    expected = {name: line[:4] for name, line in lines(alone).items()}
    assert found.keys() == expected.keys()
    # How much memory is free may have passed its bound between the two looks.
    assert found | {"memory": ""} == expected | {"memory": ""}
    assert re.search(r"^gone  fail  reach +gone .*refused", said.out, re.MULTILINE)
    assert re.search(r"^lab  warn  shell .*Welcome to the lab!", said.out, re.MULTILINE)
    assert "error: gone is not fit for tiny: gone" in said.err
