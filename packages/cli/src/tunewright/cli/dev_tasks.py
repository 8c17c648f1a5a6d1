"""Tasks for contributors."""

import os
import shutil
import subprocess
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit

from tunewright.cli.invoke_program import ROOT, command, need_checkout
from tunewright.contract.console import say
from tunewright.contract.visible import one_line

IMAGES = ("laptop", "worker")  # the stages of infra/Containerfile that are images


def with_tools(*command: str, env: dict[str, str] | None = None) -> int:
    """Run a command of the dev group, installed first when it is missing; its exit code."""
    need_checkout()
    uv = os.environ.get("UV", "uv")
    line = [uv, "run", "--project", str(ROOT), "--locked", "--group", "dev", *command]
    return subprocess.run(line, cwd=ROOT, env={**os.environ, **(env or {})}, check=False).returncode


def shell_scripts() -> list[Path]:
    """The checkout's shell scripts."""
    return [ROOT / "inv", ROOT / ".ci" / "run", *sorted((ROOT / "infra").rglob("*.sh"))]


def leave_unless_done(code: int) -> None:
    """End with the command's own verdict."""
    if code:
        raise Exit(code=1 if code > 0 else 128 - code)


@command(
    task_name="test",
    only="a folder, file or test id (default: everything)",
    match="only tests whose names match, as pytest -k",
    coverage="measure coverage with branches",
    update_snapshots="write the snapshots of whole outputs again; read their diff before you commit it",
)
def run_tests(
    c: Context, only: str = "", match: str = "", coverage: bool = False, update_snapshots: bool = False
) -> None:
    """Run the tests."""
    command = ["pytest", *([only] if only else []), *(["-k", match] if match else [])]
    if not (only or match):
        # A file's tests share what they set up; tests/conftest.py has the order. One worker more than cores: it waits for
        # the default run, and afterwards for hosts.
        workers = (os.cpu_count() or 1) + 1
        command += ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    command += ["--cov", "--cov-report=term"] if coverage else []
    command += ["--snapshot-update"] if update_snapshots else []
    leave_unless_done(with_tools(*command))


@command(
    fix="fix what can be fixed",
)
def lint(c: Context, fix: bool = False) -> None:
    """Ruff, pyright strict, the direction of imports, and ShellCheck."""
    codes = [
        with_tools("ruff", "check", *(["--fix"] if fix else []), "."),
        with_tools("ruff", "format", *([] if fix else ["--check"]), "."),
        with_tools("lint-imports"),
        with_tools("pyright"),
        with_tools("shellcheck", *map(str, shell_scripts())),
    ]
    leave_unless_done(max(codes))


@command(
    only="one benchmark's name (default: all)",
)
def bench(c: Context, only: str = "") -> None:
    """Run the benchmarks and print what they measured."""
    need_checkout()
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if not path.stem.startswith("_"))
    chosen = [only] if only else names
    for name in chosen:
        if name not in names:
            raise Exit(f"error: no benchmark {name!r}\n  There are: {', '.join(names)}.", 2)
        print(f"== {name}", flush=True)
        leave_unless_done(with_tools("python", str(ROOT / "benchmarks" / f"{name}.py")))


@command(
    target="laptop (data, audit, analysis) or worker (a host that trains, reached over SSH); default: both",
    tag="the image's name; the worker's gets -worker at its end",
    base="another base image than the Containerfile's",
)
def image(c: Context, target: str = "", tag: str = "tunewright", base: str = "") -> None:
    """Build the container images with the first builder that works here."""
    need_checkout()
    if target not in ("", *IMAGES):
        raise Exit(f"error: no image {target!r}\n  There are: {', '.join(IMAGES)}.", 2)
    builder = working_builder()
    # buildah run by root in a container of its own cannot make namespaces; chroot isolation always works.
    line = [builder, "build", *(["--isolation", "chroot", "--layers"] if builder == "buildah" else [])]
    line += ["--build-arg", f"BASE={base}"] if base else []
    for name in [target] if target else IMAGES:
        tagged = tag if name == "laptop" else f"{tag}-{name}"
        asked = [
            "--target",
            name,
            "--tag",
            tagged,
            "--file",
            str(ROOT / "infra" / "Containerfile"),
            str(ROOT),
        ]
        leave_unless_done(subprocess.run([*line, *asked], check=False).returncode)


def working_builder() -> str:
    """The first image builder that is installed and answers: a docker without its daemon builds nothing.

    Raises Exit with code 2 when there is none, with what each of them said.
    """
    said: list[str] = []
    for name in ("docker", "podman", "buildah"):
        if shutil.which(name):
            done = subprocess.run([name, "info"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return name
            complaint = one_line(done.stderr.strip().rpartition("\n")[2], 200)
            said.append(f"  {name} does not work here: {complaint or f'exit code {done.returncode}'}")
    wrong = "\n".join(said) or "  None of docker, podman and buildah is installed."
    raise Exit(f"error: no image builder works here\n{wrong}\n  Install or start one, and run this again.", 2)


@command(check="only say whether they are up to date; exit code 1 when they are not")
def docs(c: Context, check: bool = False) -> None:
    """Write docs/cli.md and the list of files in docs/architecture.md from the code itself."""
    from tunewright.cli.reference import command_reference, with_file_map
    from tunewright.contract.atomic import write_text

    need_checkout()
    architecture, page = ROOT / "docs" / "architecture.md", ROOT / "docs" / "cli.md"
    wanted = {
        page: command_reference(),
        architecture: with_file_map(architecture.read_text(encoding="utf-8"), ROOT),
    }
    for path, text in wanted.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            raise Exit(f"error: {path.relative_to(ROOT)} is out of date\n  Write it again: ./inv docs", 1)
        write_text(path, text)
        print(path)


@command(out="the folder for them")
def wheels(c: Context, out: str = "dist") -> None:
    """Build the wheels of a release, from which an installed copy trains without a checkout."""
    from tunewright.cli.release_wheels import build_wheels

    need_checkout()
    for path in build_wheels(ROOT, Path(out), say):
        print(path)


TASKS = (run_tests, image, docs, lint, bench, wheels)
