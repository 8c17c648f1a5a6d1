"""The catalog's git tools, run on a scratch history."""

import re
from pathlib import Path
from typing import Any

from tunewright.datagen.git_history import git, make_history
from tunewright.datagen.workspace import Workspace

Record = dict[str, Any]

_STATUS = {"M": "modified", "A": "added", "D": "deleted", "R": "renamed", "?": "untracked"}
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*$", re.MULTILINE)


class GitTools:
    """git_status, git_diff and git_log. The history is made at the first use."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @property
    def root(self) -> Path:
        return make_history(self.workspace)

    def git_status(self) -> Record:
        text = git(self.workspace, self.root, "status", "--porcelain", "--untracked-files=all").stdout
        files = [
            {"file": line[3:], "status": _STATUS.get(line[:2].strip()[:1], "modified")}
            for line in text.splitlines()
        ]
        branch = git(self.workspace, self.root, "branch", "--show-current").stdout.strip()
        return {"success": True, "branch": branch, "clean": not files, "files": files}

    def git_diff(self, path: str | None = None) -> Record:
        done = git(self.workspace, self.root, "diff", "--no-color", "--", *([path] if path else []))
        hunks: list[Record] = []
        file = ""
        for part in re.split(r"^diff --git ", done.stdout, flags=re.MULTILINE)[1:]:
            file = part.split(" b/", 1)[1].split("\n", 1)[0]
            starts = [match.start() for match in _HUNK.finditer(part)]
            for start, end in zip(starts, [*starts[1:], len(part)]):
                text = part[start:end].rstrip("\n")
                body = text.split("\n")[1:]
                added = sum(line.startswith("+") for line in body)
                removed = sum(line.startswith("-") for line in body)
                hunks.append({"file": file, "added": added, "removed": removed, "text": text})
        return {
            "success": done.returncode == 0,
            "added": sum(hunk["added"] for hunk in hunks),
            "removed": sum(hunk["removed"] for hunk in hunks),
            "hunks": hunks,
        }

    def git_log(self, path: str | None = None, limit: int = 10) -> Record:
        form = "--format=%h%x1f%an%x1f%ad%x1f%s"
        arguments = ["log", form, "--date=short", "--abbrev=8", f"--max-count={int(limit)}", "--"]
        done = git(self.workspace, self.root, *arguments, *([path] if path else []))
        commits = [
            dict(zip(("sha", "author", "date", "subject"), line.split("\x1f")))
            for line in done.stdout.splitlines()
        ]
        return {"success": done.returncode == 0, "commits": commits}
