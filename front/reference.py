"""The page of every task and flag, made from the tasks themselves."""

import inspect
from typing import Any

from invoke.collection import Collection


def command_reference() -> str:
    """Markdown: one section a task, one line a flag."""
    import tasks

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
