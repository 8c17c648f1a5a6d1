"""Everything that goes into a dataset, gathered before anything is made: its hash is what makes it the same one."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from tunewright.contract.atomic import sha256_file, sha256_json
from tunewright.contract.catalog import Catalog
from tunewright.contract.errors import UserError
from tunewright.contract.recipe import Recipe
from tunewright.contract.suite import Suite, read_suite
from tunewright.datagen.catalogs import read_catalog
from tunewright.datagen.corpus import TRAIN, VALID, Corpus, checkout_corpus, distinct_names, installed_corpus
from tunewright.datagen.families.family_file import own_families
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.mutations import with_failing_tests

GENERATOR = 33  # raise it when the same inputs give other examples
ENGINES = ("ty", "jedi", "ruff", "pytest", "pydantic-monty", "jinja2")


@dataclass(frozen=True)
class Plan:
    """The inputs of a dataset. `lineage` maps each repository, suite and file of families to its hash."""

    key: str
    seed: int
    catalog: Catalog
    own: Path | None  # the file whose functions are the tools, where the user brings some along
    families: tuple[Scenario, ...]  # of the user's own files
    suites: tuple[Suite, ...]
    sides: dict[str, list[Corpus]]
    engines: dict[str, str]
    lineage: dict[str, str]


def plan_dataset(
    recipe: Recipe,
    seed: int | None = None,
    *,
    root: Path = Path(),
    repos: Sequence[Path] = (),
    template: str | None = None,
) -> Plan:
    """Read all inputs of a recipe's dataset. Raises UserError for what is missing or wrong among them."""
    seed = recipe.seed if seed is None else seed
    catalog, functions = read_catalog(recipe.data.catalog)
    catalog = catalog.only(*(recipe.data.tools or catalog.tool_names))
    families = own_families([root / path for path in recipe.data.families], catalog)
    suites = [suite.path for suite in recipe.suites if suite.path and (root / suite.path).is_file()]
    pristine = choose_corpora(repos, recipe.data.valid)
    engines = {name: version(name) for name in ENGINES}
    lineage = {corpus.label: corpus.sha256 for side in pristine.values() for corpus in side}
    lineage |= {path: sha256_file(root / path) for path in (*suites, *recipe.data.families)}
    inputs: dict[str, Any] = {
        "generator": GENERATOR,
        "seed": seed,
        # What has its default says nothing, so that a knob added later changes no finished dataset's hash.
        "data": recipe.data.model_dump(mode="json", exclude_defaults=True),
        "catalog": catalog.model_dump(mode="json"),
        "engines": engines,
        "lineage": lineage,
        "template": template,
        "functions": {name: sha256_json(inspect.getsource(function)) for name, function in functions.items()},
    }
    return Plan(
        key=sha256_json(inputs),
        seed=seed,
        catalog=catalog,
        own=Path(recipe.data.catalog).resolve() if functions else None,
        families=families,
        suites=tuple(read_suite(root / path) for path in suites),
        sides={
            split: [with_failing_tests(corpus, Random(f"{seed}/{corpus.name}")) for corpus in side]
            for split, side in pristine.items()
        },
        engines=engines,
        lineage=lineage,
    )


def choose_corpora(repos: Sequence[Path], valid: float) -> dict[str, list[Corpus]]:
    """Repositories of each split: the pinned packages, or checkouts; one checkout alone is for train.

    Raises UserError when two checkouts are the same: what is learnt from one would be asked about the other.
    """
    pinned = {"train": TRAIN, "valid": VALID}
    if not repos:
        return {split: [installed_corpus(name) for name in names] for split, names in pinned.items()}
    checkouts = [checkout_corpus(path) for path in repos]
    first: dict[str, Path] = {}
    for path, corpus in zip(repos, checkouts):
        if corpus.sha256 in first:
            raise UserError(
                f"{first[corpus.sha256]} and {path} hold the same files", "Give each repository once."
            )
        first[corpus.sha256] = path
    found = distinct_names(checkouts)
    if len(found) == 1:
        return {"train": found, "valid": [installed_corpus(name) for name in VALID]}
    held = min(len(found) - 1, max(1, round(valid * len(found))))
    return {"train": found[:-held], "valid": found[-held:]}
