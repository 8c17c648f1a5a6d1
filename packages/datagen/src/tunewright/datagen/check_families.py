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
from tunewright.datagen.example_messages import Step
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
        lines = [head]
        for step in (Step(self.made.request, self.made.work), *self.made.later):
            work = step.work
            parts = (
                ("request", step.request),
                ("program", work.program),
                ("output", work.stdout),
                ("answer", work.answer),
            )
            lines += [f"  {name}\n{indent(text, '    ')}" for name, text in parts]
        return "\n".join(lines)


def families_of(data: Data, files: Sequence[Path], root: Path = Path()) -> tuple[Scenario, ...]:
    """The families that a recipe's data are made from, then those of `files`. Raises UserError for a wrong file."""
    catalog, functions = read_catalog(data.catalog)
    ours = own_scenarios(catalog) if functions else select(catalog)
    return (*ours, *own_families([*(root / path for path in data.families), *files], catalog))


def try_families(
    families: Sequence[Scenario], data: Data, corpus: Corpus | None = None, known: Sequence[Scenario] = ()
) -> Iterator[Tried]:
    """Each family in turn, on `corpus` or else on the smallest pinned package. A follow-up comes after one of `known`."""
    catalog, functions = read_catalog(data.catalog)
    corpus = with_failing_tests(corpus or installed_corpus(REPOSITORY), Random(1))
    own = Path(data.catalog).resolve() if functions else None
    with tempfile.TemporaryDirectory() as scratch, open_engines(own, catalog) as engines:
        maker = Maker(
            [corpus],
            known or families,
            catalog,
            SuiteGuard([]),
            Path(scratch),
            engines,
            Random(1),
            NearDuplicates(),
        )
        with closing(maker):
            for family in families:
                maker.ledger = Ledger()
                made = (
                    _conversation(maker, family)
                    if family.after
                    else maker.make(family.tool, partial(is_, family))
                )
                reasons = Counter({reason: n for (_, reason), n in maker.ledger.rejected.items()})
                yield Tried(family, made, "; ".join(reason for reason, _ in reasons.most_common(2)))


def _conversation(maker: Maker, family: Scenario) -> Attempt | None:
    """An example that ends with a follow-up, after the first of the families it can come after that has one."""
    for first in (other for other in maker.scenarios if not other.after and family.follows(other)):
        made = maker.make(first.tool, lambda scenario, first=first: scenario in (first, family), 1)
        if made is not None:
            return made
    return None
