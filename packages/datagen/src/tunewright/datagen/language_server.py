"""A client of ty's language server: definitions, references, hovers, completions and symbols of one repository.

The protocol counts lines from 0 and columns in UTF-16 units; everything that leaves this module counts
lines and columns from 1, columns in characters.
"""

import contextlib
import json
import queue
import re
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tunewright.datagen.workspace import ToolTimeout, Workspace, engine_path

TIMEOUT = 120.0  # seconds for one answer; on a busy machine, too, the same data have to come out


class ServerDied(Exception):
    """The language server ended, or answered with an error."""


class LanguageServer:
    """One running `ty server`. Use as a context manager."""

    def __init__(self, workspace: Workspace, timeout: float = TIMEOUT) -> None:
        self.workspace = workspace
        self.timeout = timeout
        self._texts: dict[str, list[str]] = {}
        self._opened: set[str] = set()
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._number = 0
        self._version = 1  # of the documents' texts, counted over all of them
        self._process = subprocess.Popen(
            [str(engine_path("ty")), "server"],
            cwd=workspace.repo,
            env=workspace.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=self._read, daemon=True).start()
        root = workspace.repo.as_uri()
        try:
            self._request(
                "initialize",
                {
                    "processId": None,
                    "rootUri": root,
                    "capabilities": {"textDocument": {"definition": {"linkSupport": False}}},
                    # With it, completions have hundreds of names that would have to be imported first.
                    "initializationOptions": {"completions": {"autoImport": False}},
                    "workspaceFolders": [{"uri": root, "name": workspace.corpus.name}],
                },
            )
            self._notify("initialized", {})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "LanguageServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; harmless when it has ended already."""
        with contextlib.suppress(OSError, ServerDied, ToolTimeout):
            if self._process.poll() is None:
                self._notify("exit", None)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def definition(self, file: str, line: int, column: int) -> list[tuple[Path, int, int]]:
        """Places that define the symbol there: `(path, line, column)`."""
        answer = self._at("textDocument/definition", file, line, column)
        return self._places(answer)

    def references(
        self, file: str, line: int, column: int, *, declaration: bool
    ) -> list[tuple[Path, int, int]]:
        """Places that use the symbol there, imports among them, the declaration only if asked for."""
        context = {"context": {"includeDeclaration": declaration}}
        return self._places(self._at("textDocument/references", file, line, column, context))

    def hover(self, file: str, line: int, column: int) -> str:
        """What the server says about the symbol there, as markdown; empty when nothing."""
        answer = self._at("textDocument/hover", file, line, column)
        contents = (answer or {}).get("contents") or ""
        return str(contents.get("value", "") if isinstance(contents, dict) else contents)

    def completions(self, file: str, line: int, column: int) -> list[dict[str, Any]]:
        """The protocol's completions there, as if the rest of a name that the place is inside of were not typed yet."""
        lines = self._lines(file)
        before, after = lines[line - 1][: column - 1], lines[line - 1][column - 1 :]
        typed = [*lines[: line - 1], before + re.sub(r"^\w+", "", after), *lines[line:]]
        self._open(file)
        self._replace(file, typed)
        try:
            answer = self._at("textDocument/completion", file, line, column)
        finally:
            self._replace(file, lines)
        return answer.get("items", []) if isinstance(answer, dict) else answer or []

    def document_symbols(self, file: str) -> list[dict[str, Any]]:
        """The protocol's symbol tree of a file."""
        self._open(file)
        return self._request("textDocument/documentSymbol", {"textDocument": {"uri": self._uri(file)}}) or []

    def workspace_symbols(self, query: str) -> list[dict[str, Any]]:
        """The protocol's symbols whose name matches."""
        return self._request("workspace/symbol", {"query": query}) or []

    def diagnostics(self, file: str) -> list[dict[str, Any]]:
        """The protocol's diagnostics of a file: what `ty check FILE` reports."""
        self._open(file)
        answer = self._request("textDocument/diagnostic", {"textDocument": {"uri": self._uri(file)}})
        return (answer or {}).get("items") or []

    def _at(self, method: str, file: str, line: int, column: int, more: dict[str, Any] | None = None) -> Any:
        self._open(file)
        text = self._lines(file)[line - 1]
        position = {"line": line - 1, "character": utf16_length(text[: column - 1])}
        document = {"uri": self._uri(file)}
        return self._request(method, {"textDocument": document, "position": position} | (more or {}))

    def _places(self, answer: Any) -> list[tuple[Path, int, int]]:
        items = answer if isinstance(answer, list) else [answer] if answer else []
        places: list[tuple[Path, int, int]] = []
        for item in items:
            uri = item.get("uri") or item["targetUri"]
            start = (item.get("range") or item["targetSelectionRange"])["start"]
            path = Path(unquote(urlparse(uri).path))
            relative = self.workspace.relative(path)
            column = start["character"]
            if relative is not None:
                lines = self._lines(relative)
                text = lines[start["line"]] if start["line"] < len(lines) else ""
                column = character_of(text, column)
            places.append((path, start["line"] + 1, column + 1))
        return sorted(set(places), key=lambda place: (str(place[0]), place[1], place[2]))

    def _uri(self, file: str) -> str:
        return (self.workspace.repo / file).as_uri()

    def _lines(self, file: str) -> list[str]:
        if file not in self._texts:
            self._texts[file] = self.workspace.corpus.files.get(file, "").split("\n")
        return self._texts[file]

    def _open(self, file: str) -> None:
        if file in self._opened:
            return
        self._opened.add(file)
        text = self.workspace.corpus.files[file]
        document = {"uri": self._uri(file), "languageId": "python", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})

    def _replace(self, file: str, lines: Sequence[str]) -> None:
        """Give an open document another text."""
        self._version += 1
        document = {"uri": self._uri(file), "version": self._version}
        change = {"textDocument": document, "contentChanges": [{"text": "\n".join(lines)}]}
        self._notify("textDocument/didChange", change)

    def _request(self, method: str, params: Any) -> Any:
        self._number += 1
        number = self._number
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            try:
                message = self._answers.get(timeout=self.timeout)
            except queue.Empty as error:
                raise ToolTimeout(f"ty did not answer {method} within {self.timeout:g} seconds") from error
            if message is None:
                raise ServerDied(f"ty's language server ended during {method}")
            if message.get("id") != number or "method" in message:
                continue
            if "error" in message:
                raise ServerDied(f"ty: {method}: {message['error'].get('message', 'no reason given')}")
            return message.get("result")

    def _notify(self, method: str, params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        stream = self._process.stdin
        if stream is None:
            raise ServerDied("ty's language server has no input")
        try:
            stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            stream.flush()
        except OSError as error:
            raise ServerDied("ty's language server ended") from error

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        try:
            while line := stream.readline():
                length = 0
                while line.strip():
                    name, _, value = line.decode("ascii", "replace").partition(":")
                    if name.lower() == "content-length":
                        length = int(value)
                    line = stream.readline()
                message = json.loads(stream.read(length))
                if "method" in message and "id" in message:
                    self._answer(message)
                elif "id" in message:
                    self._answers.put(message)
        except (ValueError, OSError):
            pass
        self._answers.put(None)

    def _answer(self, request: dict[str, Any]) -> None:
        # The server asks for settings and to register watchers: it gets defaults, and nothing is watched.
        result: Any = None
        if request["method"] == "workspace/configuration":
            result = [{} for _ in request.get("params", {}).get("items", [])]
        with contextlib.suppress(ServerDied):
            self._send({"jsonrpc": "2.0", "id": request["id"], "result": result})


def utf16_length(text: str) -> int:
    """How many UTF-16 units a text has: what the protocol counts columns in."""
    return len(text.encode("utf-16-le")) // 2


def character_of(text: str, units: int) -> int:
    """How many characters the first `units` UTF-16 units of a text are."""
    return len(text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore"))
