"""Grounded training examples from a tool catalog and real repositories."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from tunewright.datagen.corpus import Corpus, checkout_corpus
    from tunewright.datagen.generate import generate_dataset

__all__ = ["Corpus", "checkout_corpus", "generate_dataset"]
__getattr__ = lazily(
    __name__,
    {
        "Corpus": "tunewright.datagen.corpus:Corpus",
        "checkout_corpus": "tunewright.datagen.corpus:checkout_corpus",
        "generate_dataset": "tunewright.datagen.generate:generate_dataset",
    },
)
