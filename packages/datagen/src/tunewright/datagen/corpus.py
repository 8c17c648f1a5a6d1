"""Real repositories that examples are about: their files as text, at a recorded version."""

import ast
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tunewright.contract.atomic import sha256_json
from tunewright.contract.errors import UserError

# Which repositories an example may be about. Train and valid never share one, and the suites use others still.
TRAIN = (
    "boltons",
    "cachetools",
    "docstring-parser",
    "funcy",
    "itsdangerous",
    "more-itertools",
    "pyflakes",
    "simplejson",
    "sqlparse",
    "tomlkit",
    "toolz",
)
VALID = ("pystache", "tinydb")
RESERVED = (  # for suites
    "attrs",
    "click",
    "fabric",
    "flask",
    "httpx",
    "invoke",
    "jinja2",
    "networkx",
    "paramiko",
    "requests",
    "rich",
    "starlette",
    "werkzeug",
)

MAX_FILE = 400_000  # bytes; what is larger is data, not something a person navigates
MAX_FILES = 2_000  # files of one corpus, shortest paths first
SKIPPED_FOLDERS = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "build", "dist", ".tox"})


@dataclass(frozen=True)
class Corpus:
    """A repository's Python sources. `files` maps paths with slashes, relative to its root, to text."""

    name: str
    version: str
    files: dict[str, str] = field(repr=False)
    skipped: dict[str, str] = field(default_factory=dict[str, str], repr=False)  # path -> reason

    @property
    def label(self) -> str:
        """`name==version`."""
        return f"{self.name}=={self.version}"

    @cached_property
    def sha256(self) -> str:
        """Hash of all paths and texts."""
        return sha256_json(self.files)

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """Syntax trees of the files that parse, in the order of their paths."""
        found: dict[str, ast.Module] = {}
        for path, text in sorted(self.files.items()):
            tree = _parse(text)
            if tree is not None:
                found[path] = tree
        return found

    @cached_property
    def nodes(self) -> dict[str, tuple[ast.AST, ...]]:
        """Every node of each tree, in the order of `ast.walk`: they are gone through again for each kind of request."""
        return {path: tuple(ast.walk(tree)) for path, tree in self.trees.items()}

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """Files that pytest would collect."""
        return tuple(
            path
            for path in sorted(self.files)
            if path.rsplit("/", 1)[-1].startswith("test_") or path.endswith("_test.py")
        )


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes do not matter here
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def installed_corpus(name: str) -> Corpus:
    """The sources of an installed distribution; nothing of it is imported.

    Raises UserError when it is not installed.
    """
    try:
        dist = distribution(name)
    except PackageNotFoundError as error:
        raise UserError(
            f"corpus {name} is not installed",
            "Install Tunewright again: the corpora are among its requirements.",
        ) from error
    files: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for entry in dist.files or ():
        relative = entry.as_posix()
        if not relative.endswith(".py") or relative.startswith("..") or "/" not in relative:
            continue
        _take(Path(str(entry.locate())), relative, files, skipped)
    return Corpus(name, dist.version, dict(sorted(files.items())), skipped)


def checkout_corpus(root: Path) -> Corpus:
    """The Python files of any folder. Its version is the git commit, or `files` where there is no git.

    Links are not followed; files that are binary, too large or not UTF-8 are skipped with a reason.
    Raises UserError when the folder has no Python file that can be read.
    """
    if not root.is_dir():
        raise UserError(f"no repository at {root}", "Give a folder that holds Python files.")
    files: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for path in _python_files(root):
        relative = path.relative_to(root).as_posix()
        if len(files) >= MAX_FILES:
            skipped[relative] = f"more than {MAX_FILES} files"
            continue
        _take(path, relative, files, skipped)
    if not files:
        raise UserError(
            f"{root}: no Python file that can be read", "Give a folder that holds Python sources in UTF-8."
        )
    return Corpus(root.resolve().name, commit_of(root) or "files", dict(sorted(files.items())), skipped)


def distinct_names(corpora: Sequence[Corpus]) -> list[Corpus]:
    """The same corpora, numbered where two have one name."""
    seen: Counter[str] = Counter()
    found: list[Corpus] = []
    for corpus in corpora:
        seen[corpus.name] += 1
        again = seen[corpus.name]
        found.append(replace(corpus, name=f"{corpus.name}-{again}") if again > 1 else corpus)
    return found


def _python_files(root: Path) -> Iterator[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    # The shortest first: when there are too many, what lies deep is left out.
    yield from sorted(found, key=lambda path: (len(path.parts), path.as_posix()))


def _take(path: Path, relative: str, files: dict[str, str], skipped: dict[str, str]) -> None:
    try:
        if path.is_symlink():
            skipped[relative] = "a link"
        elif path.stat().st_size > MAX_FILE:
            skipped[relative] = f"larger than {MAX_FILE} bytes"
        else:
            text = path.read_text(encoding="utf-8")
            if "\0" in text:
                skipped[relative] = "binary"
            else:
                files[relative] = text.replace("\r\n", "\n")
    except UnicodeDecodeError:
        skipped[relative] = "not UTF-8"
    except OSError as error:
        skipped[relative] = error.strerror or str(error)


def commit_of(root: Path) -> str | None:
    """The commit a checkout is at, read from its files; None without git."""
    git = root / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        ref = head.removeprefix("ref: ")
        loose = git / ref
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        for line in (git / "packed-refs").read_text(encoding="ascii").splitlines():
            if line.endswith(f" {ref}"):
                return line.split(" ", 1)[0]
    except (OSError, UnicodeDecodeError):
        return None
    return None
