"""Rows that hold a base model's own answers (`data.rehearse`): training on some of them keeps what the base could say, and
the others, in the test split, show how much of it was lost. Rehearsal: Robins, Connection Science 7(2), 1995."""

from collections.abc import Iterable

from tunewright.contract.example import Example

REHEARSED = "rehearsed"  # `meta.source` of such a row
HELD_OUT = "test"  # the split of those that are never trained on


def rehearsed_rows(examples: Iterable[Example]) -> list[Example]:
    """Those that hold a base's own answer."""
    return [example for example in examples if example.meta.source == REHEARSED]


def answered_by(examples: Iterable[Example]) -> list[str]:
    """The models that gave the answers, each once."""
    return sorted({str(name) for row in examples if (name := getattr(row.meta, "answered_by", ""))})
