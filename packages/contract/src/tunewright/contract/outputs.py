"""The files that a command writes: checked before anything long begins, never one of its inputs.

Commands import this when they start, so that what writes files is imported when it is needed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path


def check_outputs(*names: str, inputs: Iterable[Path] = ()) -> None:
    """Before anything long: every file named can be written, none is an input, and no two are the same file.

    Empty names are flags that were not given; `inputs` are looked at after the outputs' own places. Raises UserError for
    the first that is not so.
    """
    from tunewright.contract.atomic import check_place, is_stream
    from tunewright.contract.errors import UserError

    taken: dict[str, str] = {}
    for name in filter(None, names):
        path = Path(name)
        if not is_stdout(name):
            if path.is_dir():
                raise UserError(f"{name} is a folder", "Name a file in it.")
            check_place(path)
            if is_stream(path):
                continue
        place = "-" if is_stdout(name) else str(path.resolve())
        if place in taken:
            what = "standard output" if place == "-" else name
            raise UserError(f"two outputs go to {what}", "Name a file for each.")
        taken[place] = name
    read = {_identity(path): path for path in inputs if path.exists()}
    for name in filter(None, names):
        path = Path(name)
        if not is_stdout(name) and path.exists() and (source := read.get(_identity(path))):
            same = "" if path == source else f" (it is the same file as {source})"
            raise UserError(
                f"{name} is an input{same}, and would be replaced by the output", "Name another file."
            )


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def is_stdout(target: str) -> bool:
    """Whether an output goes to standard output: `-`, or a path that names it. Then nothing else may go there."""
    from tunewright.contract.atomic import open_descriptor

    return target == "-" or (target != "" and open_descriptor(Path(target)) == 1)


def write_result(target: str, value: Mapping[str, object]) -> None:
    """Write JSON to the file named, or to standard output for `-`."""
    import json

    from tunewright.contract.atomic import write_json

    if is_stdout(target):
        print(json.dumps(value, ensure_ascii=False, indent=2))
    else:
        write_json(Path(target), value)


def write_page(target: str, html: str) -> None:
    """Write a page to the file named, or to standard output for `-`."""
    from tunewright.contract.atomic import write_text

    if is_stdout(target):
        print(html)
    else:
        write_text(Path(target), html)
