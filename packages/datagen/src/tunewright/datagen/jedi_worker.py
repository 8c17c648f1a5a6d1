"""Answers questions about code with jedi, one JSON line each way: run as `python -m` in a process of its own.

A second opinion next to ty's. It runs apart because jedi can recurse for long or fail inside itself, and
neither may stop the work.
"""

import json
import sys
from pathlib import Path
from typing import Any


def answer(question: dict[str, Any]) -> dict[str, list[Any]]:
    """`places` as `[path, line, column, is_definition]`, lines and columns from 1, or `names` that could be typed."""
    import jedi
    from jedi.api.environment import InterpreterEnvironment

    root, file = question["root"], question["file"]
    project = jedi.Project(root, sys_path=[root], smart_sys_path=False, load_unsafe_extensions=False)
    path = Path(root, file)
    script = jedi.Script(
        path.read_text(encoding="utf-8"), path=path, project=project, environment=InterpreterEnvironment()
    )
    line, column = question["line"], question["column"] - 1
    if question["ask"] == "completion":
        return {"names": [completion.name for completion in script.complete(line, column)]}
    if question["ask"] == "definition":
        names = script.goto(line, column, follow_imports=True)
    else:
        names = script.get_references(line, column)
    return {
        "places": [
            [str(name.module_path or ""), name.line or 0, (name.column or 0) + 1, name.is_definition()]
            for name in names
        ]
    }


def keep_nothing() -> None:
    """Have jedi write no syntax trees to the user's cache: a scratch copy's are never read again, 0.5 MB a file."""
    import parso.cache

    parso.cache._save_to_file_system = lambda *_, **__: None  # pyright: ignore - parso has no setting for it


def main() -> None:
    """Answer until the input ends."""
    sys.setrecursionlimit(3000)
    keep_nothing()
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        try:
            reply: dict[str, Any] = answer(json.loads(line))
        except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever fails inside jedi is its answer
            reply = {"error": f"{type(error).__name__}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
