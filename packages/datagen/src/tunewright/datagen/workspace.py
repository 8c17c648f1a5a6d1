"""A scratch copy of a corpus, laid out as a repository, in which the tools really run."""

import contextlib
import os
import select
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, cast

from tunewright.contract.errors import UserError
from tunewright.datagen.corpus import Corpus

LONGEST = 1 << 20  # bytes that a command prints without a line end before they count as a line


class ToolTimeout(Exception):
    """A tool did not end within its time limit."""


@dataclass(frozen=True)
class Finished:
    """A process that ended by itself."""

    returncode: int
    stdout: str
    stderr: str


def engine_path(name: str) -> Path:
    """The executable of a pinned tool (`ty`, `ruff`), from this interpreter's own environment.

    Raises UserError when it is not there.
    """
    installed = Path(sysconfig.get_path("scripts")) / name
    if installed.is_file():
        return installed
    found = shutil.which(name)
    if found is None:
        raise UserError(
            f"{name} is not installed", "Install what datagen needs: uv sync --inexact (./inv does it)."
        )
    return Path(found)


@dataclass(frozen=True)
class Streamed:
    """What was read of a process, line by line. `returncode` is None when it was stopped, `late` by its time limit."""

    lines: tuple[str, ...]
    returncode: int | None
    late: bool = False


@dataclass(frozen=True)
class Workspace:
    """`folder/repo` is only ever read; `folder/runs` is where tests run and files are written (and then looked at)."""

    corpus: Corpus
    folder: Path

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @cached_property
    def environment(self) -> dict[str, str]:
        """Variables for every tool: nothing of the user's own shell, places or settings gets in."""
        return {
            "PATH": os.pathsep.join([sysconfig.get_path("scripts"), "/usr/bin", "/bin"]),
            "HOME": str(self.folder / "home"),
            "XDG_CONFIG_HOME": str(self.folder / "home"),
            # Without this ty would take the packages of the environment it is installed in for the repository's.
            "VIRTUAL_ENV": str(self.folder / "venv"),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        cwd: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command to its end, in `repo` unless told otherwise, without standard input; `more` are variables.

        Raises ToolTimeout after `timeout` seconds; its whole process group is killed then.
        """
        environment = self.environment | dict(more or {})
        process = subprocess.Popen(
            list(command),
            cwd=cwd or self.repo,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, 9)
            process.communicate()
            raise ToolTimeout(f"{command[0]} took longer than {timeout:g} seconds") from error
        return Finished(process.returncode, stdout, stderr)

    def stream(
        self,
        command: Sequence[str],
        *,
        seconds: float,
        enough: Callable[[Sequence[str]], bool],
        cwd: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Streamed:
        """Run a command and read what it prints, errors included, until it ends, `enough` says so of the lines that have
        come, or the time is over. Whatever is left of its process group is killed then."""
        process = subprocess.Popen(
            list(command),
            cwd=cwd or self.repo,
            env=self.environment | dict(more or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = time.monotonic() + seconds
        output = cast("IO[bytes]", process.stdout)
        lines: list[str] = []
        try:
            for line in _lines(output.fileno(), end):
                lines.append(line)
                if enough(lines):
                    return Streamed(tuple(lines), None)
            return Streamed(tuple(lines), process.wait(max(0.0, end - time.monotonic())))
        except (TimeoutError, subprocess.TimeoutExpired):
            return Streamed(tuple(lines), None, late=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
            output.close()

    def relative(self, path: Path) -> str | None:
        """`path` relative to the repository's root, with slashes; None when it lies outside."""
        for root in (self.repo, self.runs):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return None

    def inside(self, root: Path, path: str) -> Path | None:
        """The real place of a relative path below `root`; None when it would leave it."""
        real = Path(os.path.normpath(root / path))
        return real if real == root or real.is_relative_to(root) else None


def _lines(pipe: int, end: float) -> Iterator[str]:
    """Lines as they come, the last one without its line end too. Raises TimeoutError when the time is over."""
    rest = b""
    while select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
        data = os.read(pipe, 1 << 16)
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
        if not data or len(rest) > LONGEST:
            if rest:
                yield rest.decode(errors="replace")
            rest = b""
        if not data:
            return
    raise TimeoutError


def open_workspace(corpus: Corpus, folder: Path) -> Workspace:
    """Write the corpus into `folder`, which must not exist yet."""
    folder.mkdir(parents=True)
    workspace = Workspace(corpus, folder.resolve())
    _write_files(workspace.repo, corpus.files)
    _write_files(workspace.runs, corpus.files)
    (workspace.folder / "home").mkdir()
    packages = (
        workspace.folder
        / "venv"
        / "lib"
        / f"python{sys.version_info.major}.{sys.version_info.minor}"
        / "site-packages"
    )
    packages.mkdir(parents=True)
    (workspace.folder / "venv" / "pyvenv.cfg").write_text(
        f"home = {Path(sys.base_prefix) / 'bin'}\nversion = {sys.version_info.major}.{sys.version_info.minor}\n",
        encoding="utf-8",
    )
    return workspace


def _write_files(root: Path, files: dict[str, str]) -> None:
    root.mkdir()
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
