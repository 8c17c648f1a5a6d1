"""Chat data of any shape: reading it, its tool calls in every dialect, normalizing, merging, splitting."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tunewright.chat.calls import find as find_calls
    from tunewright.chat.calls import write as write_calls
    from tunewright.chat.dataset_rows import DatasetRow

__all__ = ["DatasetRow", "find_calls", "read", "write_calls"]
__getattr__ = lazily(
    __name__,
    {
        "DatasetRow": "tunewright.chat.dataset_rows:DatasetRow",
        "find_calls": "tunewright.chat.calls:find",
        "write_calls": "tunewright.chat.calls:write",
    },
)


def read(*data: "str | Path", config: "str | Path | None" = None) -> "Iterator[DatasetRow]":
    """Yield every row of files, folders with splits, or globs, of any shape, in the normal form.

    A row has `file`, `line` (from 1), `split` (train, valid or test) and `example`: typed messages with role, content and
    `tool_calls` (arguments as a dict), and the tools that were offered. Calls that are written as text stay text:
    `find_calls` reads them. `config` is a TOML file whose `[read]` says how rows of an unknown shape are read.

    Raises UserError for files that are missing or empty, and, after the last row, naming every row that could not be read.
    """
    from pathlib import Path

    from tunewright.chat.dataset_rows import read_dataset

    return read_dataset([Path(name) for name in data], Path(config) if config else None)
