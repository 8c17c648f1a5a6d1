"""Runs each family once on a small repository, and shows what an example of it looks like."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from operator import is_
from pathlib import Path
from random import Random
from textwrap import indent

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.recipe import Data
from tunewright.datagen.catalogs import read_catalog
from tunewright.datagen.corpus import Corpus, installed_corpus
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.family_file import own_families
from tunewright.datagen.families.own import own_scenarios
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.generate import select
from tunewright.datagen.mutations import with_failing_tests
from tunewright.datagen.rejections import Ledger
from tunewright.datagen.synthesize import Attempt, Maker, open_engines

REPOSITORY = "pystache"  # the smallest of the pinned packages that has tests


@dataclass(frozen=True)
class Tried:
    """A family with an example of it, or with the reason why there is none."""

    family: Scenario
    made: Attempt | None
    reason: str = ""

    def text(self) -> str:
        """Name, kind, request, program, output and answer, for people."""
        head = f"{self.family.name} ({self.family.kind}, {len(self.family.requests)} wordings)"
        if self.made is None:
            return f"{head}\n    no example: {self.reason}"
        work = self.made.work
        parts = (
            ("request", self.made.request),
            ("program", work.program),
            ("output", work.stdout),
            ("answer", work.answer),
        )
        return "\n".join([head, *(f"  {name}\n{indent(text, '    ')}" for name, text in parts)])


def families_of(data: Data, files: Sequence[Path], root: Path = Path()) -> tuple[Scenario, ...]:
    """The families that a recipe's data are made from, then those of `files`. Raises UserError for a wrong file."""
    catalog, functions = read_catalog(data.catalog)
    ours = own_scenarios(catalog) if functions else select(catalog)
    return (*ours, *own_families([*(root / path for path in data.families), *files], catalog))


def try_families(families: Sequence[Scenario], data: Data, corpus: Corpus | None = None) -> Iterator[Tried]:
    """Each family in turn, on `corpus` or else on the smallest pinned package."""
    catalog, functions = read_catalog(data.catalog)
    corpus = with_failing_tests(corpus or installed_corpus(REPOSITORY), Random(1))
    own = Path(data.catalog).resolve() if functions else None
    with tempfile.TemporaryDirectory() as scratch, open_engines(own, catalog) as engines:
        maker = Maker(
            [corpus], families, catalog, SuiteGuard([]), Path(scratch), engines, Random(1), NearDuplicates()
        )
        with closing(maker):
            for family in families:
                maker.ledger = Ledger()
                made = maker.make(family.tool, partial(is_, family))
                reasons = Counter({reason: n for (_, reason), n in maker.ledger.rejected.items()})
                yield Tried(family, made, "; ".join(reason for reason, _ in reasons.most_common(2)))
