"""Rows of a data file in any form that is read here, for those who need every one of them: no row may be missed."""

import json
from collections.abc import Iterator
from typing import Any

from tunewright.chat.read.files import DataFile
from tunewright.chat.read.lines import read_batches
from tunewright.contract.errors import UserError

# Faults after which rows are missing; the others are about bytes that readers take differently.
_LOST = ("cut", "unreadable")
_HINT = "See every such row: invoke audit --data; mend or remove them."


def read_rows(file: DataFile) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of each row; fill in the file's hash. Raises UserError with `file:line` for what is unreadable."""
    for batch in read_batches(file):
        for line, text in zip(batch.lines, batch.rows):
            if not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{file.path}:{line}: not JSON ({error})", _HINT) from error
            yield line, value
        for fault in batch.faults:
            if fault.kind in _LOST:
                raise UserError(f"{file.path}:{fault.line}: {fault.detail}", _HINT)
