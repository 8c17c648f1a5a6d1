"""A git history for a scratch copy: commits with fixed dates, and changes that are not committed yet.

It is made up, for a checkout too: whose commits these really were would make the data depend on more than its files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tunewright.datagen.corpus import Corpus
from tunewright.datagen.workspace import Finished, Workspace

AUTHORS = ("Ada Nowak", "Ben Okafor", "Carla Diaz", "Deniz Kaya")
VERBS = ("Rework", "Tidy up", "Document")
CHANGED = 4  # of the repository's files, how many differ from the last commit
BATCHES = 8  # in which the files are first committed
STAGES = 3  # commits in which a file grows to its whole length, at most
SECONDS = 30.0


@dataclass(frozen=True)
class Change:
    """A file that differs from the last commit; `committed` is its text there, None when it is not known there."""

    path: str
    status: str  # as git_status reports it: modified, added, deleted, untracked
    committed: str | None


def planned_changes(corpus: Corpus) -> tuple[Change, ...]:
    """Which files are changed, and how: the same for the same corpus, whatever else happens.

    The working tree is the corpus as the other tools know it; what differs is the last commit.
    """
    ranked = sorted(
        (path for path, text in corpus.files.items() if 5 <= text.count("\n") <= 400),
        key=lambda path: sha256(path.encode()).hexdigest(),
    )
    changes: list[Change] = []
    for number, path in enumerate(ranked[:CHANGED]):
        if number == CHANGED - 1:
            changes.append(Change(path, "untracked", None))
            continue
        lines = corpus.files[path].split("\n")
        at = min(len(lines) - 1, 3 + 2 * number)
        removed = [f"# TODO: check case {case}" for case in range(1, number + 1)]
        changes.append(
            Change(path, "modified", "\n".join([*lines[:at], *removed, *lines[at + number + 1 :]]))
        )
    folder = ranked[0].rsplit("/", 1)[0] if ranked and "/" in ranked[0] else ""
    gone = f"{folder}/todo_list.py".lstrip("/")
    if gone not in corpus.files:
        changes.append(Change(gone, "deleted", "PENDING = []\n"))
    return tuple(changes)


def make_history(workspace: Workspace) -> Path:
    """Commit the repository in steps in `folder/git`, so that it ends with `planned_changes`; return the folder.

    Each file comes in a batch and grows with the next commits, so that it has a first and a last one. Raises
    OSError when there is no git.
    """
    root = workspace.folder / "git"
    if root.exists():
        return root
    root.mkdir()
    corpus = workspace.corpus
    changes = planned_changes(corpus)
    committed = corpus.files | {c.path: c.committed for c in changes if c.committed is not None}
    paths = sorted(set(committed) - {change.path for change in changes if change.committed is None})
    _git(workspace, root, 0, "init", "--quiet", "--initial-branch=main")
    size = max(1, -(-len(paths) // BATCHES))
    batches = [paths[start : start + size] for start in range(0, len(paths), size)]
    for number in range(len(batches) + STAGES - 1):
        added = _grow(root, batches[number], committed, 0) if number < len(batches) else []
        grown = [
            path
            for stage in range(1, STAGES)
            if 0 <= number - stage < len(batches)
            for path in _grow(root, batches[number - stage], committed, stage)
        ]
        if added or grown:
            _git(workspace, root, number, "add", "--all")
            subject = _subject(corpus, number, added, grown)
            _git(workspace, root, number, "commit", "--quiet", "--message", subject)
    for change in changes:
        if change.status == "deleted":
            (root / change.path).unlink()
        else:
            _put(root / change.path, corpus.files[change.path])
    return root


def _grow(root: Path, paths: Sequence[str], texts: Mapping[str, str], stage: int) -> list[str]:
    """Write each file as far as it has come; those that are longer now than at the stage before."""
    changed: list[str] = []
    for path in paths:
        lines = texts[path].splitlines(keepends=True)
        stages = STAGES - sha256(path.encode()).digest()[0] % 2
        end = max(1, len(lines) * (stage + 1) // stages) if stage + 1 < stages else len(lines)
        text = "".join(lines[:end])
        if stage == 0 or text.encode() != (root / path).read_bytes():
            _put(root / path, text)
            changed.append(path)
    return changed


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _subject(corpus: Corpus, number: int, added: Sequence[str], grown: Sequence[str]) -> str:
    if number == 0:
        return f"Import {corpus.name} {corpus.version}"
    if added and (number % 4 == 0 or not grown):
        return f"Add {added[0].rsplit('/', 1)[-1]}"
    return f"{VERBS[number % len(VERBS)]} {grown[0].rsplit('/', 1)[-1]}"


def git(workspace: Workspace, root: Path, *arguments: str) -> Finished:
    """Run a git command that only reads, without any configuration but the repository's own."""
    return _git(workspace, root, 0, *arguments)


def _git(workspace: Workspace, root: Path, number: int, *arguments: str) -> Finished:
    author = AUTHORS[number % len(AUTHORS)]
    email = author.split()[0].lower() + "@example.org"
    date = f"2024-{1 + number % 12:02d}-1{number % 10} 09:30:00 +0000"
    variables = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": author,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": author,
        "GIT_COMMITTER_EMAIL": email,
        "GIT_COMMITTER_DATE": date,
    }
    command = ["git", "-c", "core.autocrlf=false", "-c", "core.quotePath=false", *arguments]
    return workspace.run(command, timeout=SECONDS, cwd=root, more=variables)
