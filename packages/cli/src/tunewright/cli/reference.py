"""Pages made from the code itself: every task and flag, and every file in one line."""

import ast
import inspect
from pathlib import Path
from typing import Any

from invoke.collection import Collection

BEGIN, END = "<!-- files: written by ./inv docs -->", "<!-- end of files -->"
FOLDERS = ("contract", "chat", "datagen", "audit", "train", "eval", "remote", "cli")


def command_reference() -> str:
    """Markdown: one section a task, one line a flag."""
    from tunewright.cli import tasks

    collection = Collection.from_module(tasks)
    lines = [
        "# Command line",
        "",
        "Written by `./inv docs` from the tasks themselves. Exit codes: 0 done and passed; 1 a gate or a check failed;",
        "2 wrong usage or bad input; 3 inconclusive; 4 the host could not be reached or is not fit.",
    ]
    for name in sorted(collection.task_names):
        task: Any = collection[name]
        arguments = task.get_arguments()
        summary = (inspect.getdoc(task.body) or "").splitlines()[0]
        lines += ["", f"## `{name}`", "", summary]
        if arguments:
            lines += ["", "| flag | default | |", "|---|---|---|"]
        for argument in arguments:
            flag = argument.name if argument.positional else f"--{argument.name.replace('_', '-')}"
            default = (
                ""
                if argument.positional or argument.default in ("", None, False, [])
                else f"`{argument.default}`"
            )
            lines.append(f"| `{flag}` | {default} | {(argument.help or '').replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def first_line(module: Path) -> str:
    """The first sentence of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def file_map(root: Path) -> str:
    """Markdown: each module in one line, by folder, in the order of the data's way."""
    lines: list[str] = []
    places: list[tuple[str, Path, list[Path]]] = []
    for name in FOLDERS:
        folder = root / "packages" / name / "src" / "tunewright" / name
        places.append(
            (f"packages/{name}: {first_line(folder / '__init__.py')}", folder, sorted(folder.rglob("*.py")))
        )
    for title, folder, modules in places:
        shown = [module for module in modules if module.name not in ("__init__.py", "__main__.py")]
        width = max(len(str(module.relative_to(folder))) for module in shown) + 2
        lines += ["", f"**{title}**", "", "```"]
        lines += [f"{module.relative_to(folder)!s:<{width}}{first_line(module)}" for module in shown]
        lines += ["```"]
    return "\n".join(lines).strip()


def with_file_map(page: str, root: Path) -> str:
    """docs/architecture.md with its list of files brought up to date. Raises ValueError when the marks are missing."""
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise ValueError(f"docs/architecture.md has lost its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{file_map(root)}\n{END}{after}"
