"""A git history for a scratch copy: commits with fixed dates, and changes that are not committed yet."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tunewright.datagen.corpus import Corpus
from tunewright.datagen.workspace import Finished, Workspace

AUTHORS = ("Ada Nowak", "Ben Okafor", "Carla Diaz", "Deniz Kaya")
SUBJECTS = ("Import {name} {version}", "Add {file}", "Rework {file}", "Tidy up {file}", "Document {file}")
CHANGED = 4  # files that differ from the last commit
COMMITS = 8
SECONDS = 30.0


@dataclass(frozen=True)
class Change:
    """A file that differs from the last commit; `text` is None when it was deleted."""

    path: str
    status: str  # as git_status reports it: modified, added, deleted, untracked
    text: str | None


def planned_changes(corpus: Corpus) -> tuple[Change, ...]:
    """Which files are changed, and how: the same for the same corpus, whatever else happens."""
    ranked = sorted(
        (path for path, text in corpus.files.items() if 5 <= text.count("\n") <= 400),
        key=lambda path: sha256(path.encode()).hexdigest(),
    )
    changes: list[Change] = []
    for number, path in enumerate(ranked[:CHANGED]):
        lines = corpus.files[path].split("\n")
        if number == 3:
            changes.append(Change(path, "deleted", None))
            continue
        at = min(len(lines) - 1, 3 + 2 * number)
        added = [f"# TODO: check case {case}" for case in range(1, number + 2)]
        kept = lines[at + number :] if number else lines[at:]
        changes.append(Change(path, "modified", "\n".join([*lines[:at], *added, *kept])))
    folder = ranked[0].rsplit("/", 1)[0] if ranked and "/" in ranked[0] else ""
    new = f"{folder}/todo_list.py".lstrip("/")
    if new not in corpus.files:
        changes.append(Change(new, "untracked", "PENDING = []\n"))
    return tuple(changes)


def make_history(workspace: Workspace) -> Path:
    """Lay the repository out in `folder/git`, commit it in steps and change some files; return the folder.

    Raises OSError when there is no git.
    """
    root = workspace.folder / "git"
    if root.exists():
        return root
    root.mkdir()
    corpus = workspace.corpus
    paths = sorted(corpus.files)
    _git(workspace, root, 0, "init", "--quiet", "--initial-branch=main")
    step = max(1, -(-len(paths) // COMMITS))
    for number, start in enumerate(range(0, len(paths), step)):
        batch = paths[start : start + step]
        for path in batch:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(corpus.files[path], encoding="utf-8", newline="\n")
        _git(workspace, root, number, "add", "--all")
        words = {"name": corpus.name, "version": corpus.version, "file": batch[0].rsplit("/", 1)[-1]}
        subject = SUBJECTS[0 if number == 0 else 1 + number % (len(SUBJECTS) - 1)].format(**words)
        _git(workspace, root, number, "commit", "--quiet", "--message", subject)
    for change in planned_changes(corpus):
        if change.text is None:
            (root / change.path).unlink()
        else:
            (root / change.path).write_text(change.text, encoding="utf-8", newline="\n")
    return root


def git(workspace: Workspace, root: Path, *arguments: str) -> Finished:
    """Run a git command that only reads, without any configuration but the repository's own."""
    return _git(workspace, root, 0, *arguments)


def _git(workspace: Workspace, root: Path, number: int, *arguments: str) -> Finished:
    author = AUTHORS[number % len(AUTHORS)]
    email = author.split()[0].lower() + "@example.org"
    date = f"2024-0{1 + number % 9}-1{number % 10} 09:30:00 +0000"
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
