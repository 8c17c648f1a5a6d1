"""The rows of a dataset of any shape, each with its place and in the normal form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunewright.chat.conversation import UnknownShapeError
from tunewright.chat.normal_form import normal_form
from tunewright.chat.reading.files import find_files
from tunewright.chat.reading.rows import Problems, read_conversations
from tunewright.chat.reading.settings import load_reading
from tunewright.contract.example import Example


@dataclass(frozen=True)
class DatasetRow:
    """One row of a data file. `line` is where it begins, from 1; in Parquet it is the row's number."""

    file: Path
    line: int
    split: str
    example: Example


def read_dataset(paths: Sequence[Path], config: Path | None = None) -> Iterator[DatasetRow]:
    """Yield the rows of files, folders and globs. Raises UserError for what cannot be read, all rows at once."""
    problems = Problems()
    for file, line, conversation in read_conversations(find_files(paths), problems, load_reading(config)):
        try:
            example = normal_form(conversation)
        except UnknownShapeError as error:
            problems.add(file, line, str(error))
        else:
            yield DatasetRow(file.path, line, file.split, example)
    problems.check()
