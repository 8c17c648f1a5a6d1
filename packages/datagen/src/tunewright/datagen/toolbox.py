"""The catalog's tools, really run in a workspace. Each returns the record its catalog entry promises."""

import ast
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tunewright.datagen.git_tools import GitTools
from tunewright.datagen.language_server import LanguageServer
from tunewright.datagen.rejections import Rejected
from tunewright.datagen.workspace import ToolTimeout, Workspace, engine_path
from tunewright.datagen.written import Written

RUFF_RULES = "E,F,W,I,B,UP,C4,SIM"  # more than ruff's default, as projects that care have it
SECONDS = 120.0  # for one run of a checker or of tests
COMMAND_SECONDS = 5.0  # for a shell command; one that takes longer is a result too
LONGEST_WAIT = 10.0  # for a shell command whose limit is given in the call

# The protocol's numbers for kinds of symbols, in words.
KINDS = {2: "module", 5: "class", 6: "method", 7: "property", 8: "field", 9: "constructor", 10: "enum"} | {
    12: "function",
    13: "variable",
    14: "constant",
    22: "enum member",
    26: "type parameter",
}

# The protocol numbers kinds of completions differently. ty says struct for an instance of a class.
COMPLETION_KINDS = {2: "method", 3: "function", 4: "constructor", 5: "field", 6: "variable", 7: "class"} | {
    8: "protocol",
    9: "module",
    10: "property",
    12: "value",
    13: "enum",
    14: "keyword",
    20: "enum member",
    21: "constant",
    22: "object",
    25: "type parameter",
}

Place = tuple[Path, int, int]
Record = dict[str, Any]


class Toolbox:
    """Tools bound to one workspace. Results of tools that only read are kept and reused.

    Once a program has written something, files, checkers, tests and commands work on the copy that it is in, and
    nothing kept is reused.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._written = Written(workspace.runs)
        self._running = 0  # programs within each other
        self._server: LanguageServer | None = None
        self._git = GitTools(workspace)
        self._kept: dict[str, Record] = {}
        self._imports: dict[str, set[int]] = {}

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    @contextmanager
    def program(self) -> Generator[None]:
        """The time of one program, or of several within one: what their calls write is there until the outermost ends."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._written.put_back()

    @property
    def _folder(self) -> Path:
        return self.workspace.runs if self._written else self.workspace.repo

    @property
    def server(self) -> LanguageServer:
        """The language server, started at its first use."""
        if self._server is None:
            self._server = LanguageServer(self.workspace)
        return self._server

    @cached_property
    def functions(self) -> dict[str, Callable[..., Record]]:
        """Every tool by its name in the catalog."""
        fixed = {
            **{name: getattr(self._git, name) for name in ("git_status", "git_diff", "git_log")},
            "hover": self.hover,
            "document_symbols": self.document_symbols,
            "workspace_symbols": self.workspace_symbols,
            "goto_definition": self.goto_definition,
            "find_references": self.find_references,
            "completion": self.completion,
        }
        reading = {
            "typecheck": self.typecheck,
            "ruff_check": self.ruff_check,
            "pytest_run": self.pytest_run,
            "read_file": self.read_file,
            "run_command": self.run_command,
            "stream_command": self.stream_command,
            "stream_tests": self.stream_tests,
        }
        functions: dict[str, Callable[..., Record]] = {
            name: self._keeping(name, function, name in fixed) for name, function in (fixed | reading).items()
        }
        functions["write_file"] = self.write_file
        return functions

    def _keeping(self, name: str, function: Callable[..., Record], fixed: bool) -> Callable[..., Record]:
        def kept(**arguments: Any) -> Record:
            if self._written and fixed:
                # The language server and the git history know the repository as it was.
                raise Rejected("asks about code or commits after writing a file")
            if self._written:
                return function(**arguments)
            key = json.dumps([name, arguments], sort_keys=True)
            if key not in self._kept:
                self._kept[key] = function(**arguments)
            return self._kept[key]

        return kept

    # Navigation

    def column_of(self, file: str, line: int, symbol: str) -> int | None:
        """Where `symbol` first appears as a whole word on that line, from 1; None when it does not."""
        found = self._search(file, line, rf"(?<!\w){re.escape(symbol)}(?!\w)")
        return found.start() + 1 if found else None

    def column_after(self, file: str, line: int, prefix: str) -> int | None:
        """Where the first `prefix` on that line ends that does not begin inside a word, from 1; None without one."""
        start = r"(?<!\w)" if prefix[:1].isidentifier() else ""
        found = self._search(file, line, start + re.escape(prefix))
        return found.end() + 1 if found else None

    def _search(self, file: str, line: int, pattern: str) -> re.Match[str] | None:
        text = self.workspace.corpus.files.get(file)
        lines = text.split("\n") if text is not None else []
        return re.search(pattern, lines[line - 1]) if 1 <= line <= len(lines) else None

    def location(self, place: Place) -> Record:
        """A Location of the catalog. Rejects what lies outside the repository."""
        path, line, column = place
        file = self.workspace.relative(path)
        if file is None:
            raise Rejected("defined outside the repository")
        preview = self.workspace.corpus.files[file].split("\n")[line - 1].strip()
        return {"file": file, "line": line, "column": column, "preview": preview}

    def goto_definition(self, file: str, line: int, symbol: str) -> Record:
        column = self.column_of(file, line, symbol)
        if column is None:
            return {"success": False, "symbol": symbol, "locations": []}
        found = [self.location(place) for place in self.server.definition(file, line, column)]
        return {"success": bool(found), "symbol": symbol, "locations": found}

    def find_references(self, file: str, line: int, symbol: str, include_declaration: bool = False) -> Record:
        column = self.column_of(file, line, symbol)
        if column is None:
            return {"success": False, "symbol": symbol, "reference_count": 0, "references": []}
        places = self.server.references(file, line, column, declaration=include_declaration)
        found = [self.location(place) for place in places]
        if not include_declaration:
            found = [item for item in found if item["line"] not in self.import_lines(item["file"])]
        return {"success": True, "symbol": symbol, "reference_count": len(found), "references": found}

    def hover(self, file: str, line: int, symbol: str) -> Record:
        column = self.column_of(file, line, symbol)
        text = self.server.hover(file, line, column) if column is not None else ""
        signature, _, docstring = re.sub(r"\n-{5,}\n", "\0", text, count=1).partition("\0")
        return {
            "success": bool(text),
            "symbol": symbol,
            "signature": " ".join(signature.split()),
            "docstring": docstring.strip() or None,
        }

    def completion(self, file: str, line: int, prefix: str, limit: int = 20) -> Record:
        column = self.column_after(file, line, prefix)
        items = self.server.completions(file, line, column) if column is not None else []
        by_label = {item["label"]: item for item in items}
        fitting = fitting_names(by_label, prefix)
        found = [_completion(by_label[label]) for label in fitting[: max(limit, 0)]]
        return {
            "success": bool(found),
            "prefix": prefix,
            "completion_count": len(found),
            "truncated": len(found) < len(fitting),
            "completions": found,
        }

    def document_symbols(self, file: str) -> Record:
        if file not in self.workspace.corpus.files:
            return {"success": False, "symbol_count": 0, "symbols": []}
        found = [_symbol(item, file) for item in self.server.document_symbols(file)]
        found.sort(key=lambda item: (item["line"], item["name"]))
        return {"success": True, "symbol_count": len(found), "symbols": found}

    def workspace_symbols(self, query: str) -> Record:
        found: list[Record] = []
        for item in self.server.workspace_symbols(query):
            file = self.workspace.relative(Path(unquote(urlparse(item["location"]["uri"]).path)))
            if file is not None:
                found.append(_symbol(item, file))
        found.sort(key=lambda item: (item["file"], item["line"], item["name"]))
        return {"success": bool(found), "symbol_count": len(found), "symbols": found}

    def import_lines(self, file: str) -> set[int]:
        """Lines of a file that belong to an import statement."""
        if file not in self._imports:
            tree = self.workspace.corpus.trees.get(file)
            self._imports[file] = {
                line
                for node in (ast.walk(tree) if tree else ())
                if isinstance(node, ast.Import | ast.ImportFrom)
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
            }
        return self._imports[file]

    # Checkers

    def typecheck(self, path: str) -> Record:
        target = self._target(path)
        if target is None:
            return {"success": False, "error_count": 0, "errors": []}
        known = path in self.workspace.corpus.files and not self._written
        problems = self._server_problems(path) if known else self._command_problems(target)
        if any(_prints_a_place(problem["message"], self.workspace.folder) for problem in problems):
            raise Rejected("the tool's message holds a path of this machine")
        problems.sort(key=lambda p: (p["file"], p["line"], p["code"], p["message"]))
        return {"success": not problems, "error_count": len(problems), "errors": problems}

    def _server_problems(self, file: str) -> list[Record]:
        # One file is answered by the server that runs already, thirty times faster than by a process of its own.
        return [
            {
                "file": file,
                "line": item["range"]["start"]["line"] + 1,
                "severity": "error",
                "code": item["code"],
                # Below a blank line the server goes on to explain; the command does not.
                "message": item["message"].split("\n\n")[0],
            }
            for item in self.server.diagnostics(file)
            if item["severity"] == 1
        ]

    def _command_problems(self, target: str) -> list[Record]:
        command = [str(engine_path("ty")), "check", "--output-format", "gitlab", "--no-progress", target]
        done = self.workspace.run(command, timeout=SECONDS, cwd=self._folder)
        return [
            {
                "file": item["location"]["path"],
                "line": item["location"]["positions"]["begin"]["line"],
                "severity": "error",
                "code": item["check_name"],
                "message": item["description"].removeprefix(f"{item['check_name']}: "),
            }
            for item in json.loads(done.stdout or "[]")
            if item["severity"] in {"major", "critical", "blocker"}
        ]

    def ruff_check(self, path: str) -> Record:
        target = self._target(path)
        if target is None:
            return {"success": False, "violation_count": 0, "fixable_count": 0, "violations": []}
        command = [str(engine_path("ruff")), "check", "--isolated", "--no-cache", "--quiet"]
        command += ["--select", RUFF_RULES, "--output-format", "json", "--exit-zero", target]
        done = self.workspace.run(command, timeout=SECONDS, cwd=self._folder)
        violations: list[Record] = []
        for item in json.loads(done.stdout or "[]"):
            fix = item.get("fix")
            violations.append(
                {
                    "file": self.workspace.relative(Path(item["filename"])),
                    "line": item["location"]["row"],
                    "column": item["location"]["column"],
                    "code": item["code"] or "invalid-syntax",
                    "message": item["message"],
                    "fixable": bool(fix) and fix["applicability"] == "safe",
                }
            )
        violations.sort(key=lambda v: (v["file"], v["line"], v["column"], v["code"]))
        return {
            "success": not violations,
            "violation_count": len(violations),
            "fixable_count": sum(v["fixable"] for v in violations),
            "violations": violations,
        }

    def pytest_run(self, path: str) -> Record:
        target = self._target(path)
        failed: Record = {"success": False, "passed": 0, "failed": 0, "seconds": 0.0, "tests": []}
        if target is None:
            return failed
        report = self.workspace.folder / "report.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
        command += ["--rootdir", ".", "--doctest-modules", "--junit-xml", str(report), target]
        runs = self.workspace.runs
        self.workspace.run(command, timeout=SECONDS, cwd=runs, more={"PYTHONPATH": str(runs)})
        if not report.is_file():
            return failed
        tests = [_outcome(case) for case in ElementTree.parse(report).iter("testcase")]  # noqa: S314
        if any(test["outcome"] == "error" for test in tests):
            raise Rejected("a test file could not be collected")
        seconds = round(sum(test["seconds"] for test in tests), 2)
        passed = sum(test["outcome"] == "passed" for test in tests)
        bad = sum(test["outcome"] == "failed" for test in tests)
        success = bool(passed) and not bad
        return {"success": success, "passed": passed, "failed": bad, "seconds": seconds, "tests": tests}

    # Files and commands

    def read_file(self, path: str) -> Record:
        content = self._read_back(path) if self._written else self.workspace.corpus.files.get(path)
        if content is None:
            return {"success": False, "path": path, "line_count": 0, "content": ""}
        return {"success": True, "path": path, "line_count": len(content.splitlines()), "content": content}

    def _read_back(self, path: str) -> str | None:
        real = self.workspace.inside(self.workspace.runs, path)
        return real.read_text(encoding="utf-8") if real is not None and real.is_file() else None

    def write_file(self, path: str, content: str) -> Record:
        """Writes for real, into the copy that may change; see `program`."""
        target = self.workspace.inside(self.workspace.runs, path)
        size = self._written.write(target, content) if target is not None else None
        return {"success": size is not None, "path": path, "bytes_written": size or 0}

    def run_command(self, command: str) -> Record:
        seconds = COMMAND_SECONDS
        try:
            done = self.workspace.run(["/bin/sh", "-c", command], timeout=seconds, cwd=self._folder)
        except ToolTimeout:
            stderr = f"timed out after {seconds:g} seconds"
            return {"success": False, "exit_code": 124, "stdout": "", "stderr": stderr}
        for text in (done.stdout, done.stderr):
            if _prints_a_place(text, self.workspace.folder):
                raise Rejected("the tool's message holds a path of this machine")
        code = done.returncode
        return {"success": code == 0, "exit_code": code, "stdout": done.stdout, "stderr": done.stderr}

    # Read while they run, and stopped

    def stream_command(self, command: str, lines: int = 0, seconds: int = 30) -> Record:
        """Rejects a command that is still running when longer is asked for than data generation waits."""
        limit = min(float(seconds), LONGEST_WAIT)
        streamed = self.workspace.stream(
            ["/bin/sh", "-c", command],
            seconds=limit,
            enough=lambda come: 0 < lines <= len(come),
            cwd=self._folder,
        )
        if any(_prints_a_place(line, self.workspace.folder) for line in streamed.lines):
            raise Rejected("the tool's message holds a path of this machine")
        if streamed.late and seconds > limit:
            raise ToolTimeout(f"{command} took longer than {limit:g} seconds")
        code = streamed.returncode
        return {
            "success": code == 0,
            "ended": code is not None,
            "stopped_by": "" if code is not None else "seconds" if streamed.late else "lines",
            "exit_code": code,
            "line_count": len(streamed.lines),
            "lines": list(streamed.lines),
        }

    def stream_tests(self, path: str, failures: int = 0, seconds: int = 120) -> Record:
        """Rejects tests that reach the time limit: how far they get until then differs from run to run."""
        if (target := self._target(path)) is None:
            return _progress([], ended=True)
        command = [sys.executable, "-u", "-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", "/dev/null"]
        command += ["--rootdir", ".", "--doctest-modules", "--tb=no", "-o", "console_output_style=classic"]
        # pytest stops itself, so that a test's own files are removed.
        command += [f"--maxfail={failures}"] if failures > 0 else []
        runs = self.workspace.runs
        streamed = self.workspace.stream(
            [*command, target],
            seconds=min(float(seconds), SECONDS),
            enough=lambda _: False,
            cwd=runs,
            more={"PYTHONPATH": str(runs)},
        )
        if streamed.late:
            raise ToolTimeout(f"the tests of {path} reached their time limit")
        if any(line.startswith("ERROR ") for line in streamed.lines):
            raise Rejected("a test file could not be collected")
        found = [match for line in streamed.lines if (match := _TEST_LINE.match(line))]
        tests = [{"name": match[1], "outcome": _OUTCOMES[match[2]]} for match in found]
        return _progress(tests, ended=not any("! stopping after " in line for line in streamed.lines))

    def _target(self, path: str) -> str | None:
        real = self.workspace.inside(self._folder, path)
        return path if real is not None and real.exists() else None


def _symbol(item: Record, file: str) -> Record:
    """A Symbol of the catalog from one of the protocol's."""
    span = item.get("selectionRange") or item.get("range") or item["location"]["range"]
    kind = KINDS.get(item["kind"], "other")
    return {"name": item["name"], "kind": kind, "file": file, "line": span["start"]["line"] + 1}


def _completion(item: Record) -> Record:
    """A Completion of the catalog from one of the protocol's."""
    detail = " ".join((item.get("detail") or "").split())
    kind = COMPLETION_KINDS.get(item.get("kind", 0), "other")
    return {"label": item["label"], "kind": kind, "detail": detail or None}


def fitting_names(names: Iterable[str], prefix: str) -> list[str]:
    """The names that `prefix` can be completed to, in alphabetical order, those with an underscore last. Names that begin
    with two are among them only when the prefix's last name begins with one."""
    typed = re.split(r"\W", prefix)[-1]
    fitting = {
        name for name in names if name.startswith(typed) and (typed[:1] == "_" or not name.startswith("__"))
    }
    return sorted(fitting, key=lambda name: (name.startswith("_"), name))


def _prints_a_place(text: str, folder: Path) -> bool:
    return str(folder) in text or sys.prefix in text or str(Path.home()) in text


# pytest -v prints `path::class::test OUTCOME` when a test is over.
_TEST_LINE = re.compile(r"\S+?\.py::(\S.*) (PASSED|FAILED|SKIPPED|XFAIL|XPASS)\b")
_OUTCOMES = {"PASSED": "passed", "XPASS": "passed", "FAILED": "failed"} | dict.fromkeys(
    ("SKIPPED", "XFAIL"), "skipped"
)


def _progress(tests: list[Record], *, ended: bool) -> Record:
    """What came of a test run that may have been stopped at a failure."""
    passed = sum(test["outcome"] == "passed" for test in tests)
    failed = sum(test["outcome"] == "failed" for test in tests)
    return {
        "success": ended and bool(passed) and not failed,
        "ended": ended,
        "stopped_by": "" if ended else "failures",
        "passed": passed,
        "failed": failed,
        "test_count": len(tests),
        "tests": tests,
    }


def _outcome(case: ElementTree.Element) -> Record:
    kinds = {"failure": "failed", "error": "error", "skipped": "skipped"}
    outcome, message = "passed", None
    for child in case:
        if child.tag in kinds:
            outcome = kinds[child.tag]
            message = (child.get("message") or "").strip().split("\n")[0]
    seconds = float(case.get("time", 0))
    return {"name": case.get("name", ""), "outcome": outcome, "seconds": seconds, "message": message}


__all__ = ["Record", "Rejected", "ToolTimeout", "Toolbox"]
