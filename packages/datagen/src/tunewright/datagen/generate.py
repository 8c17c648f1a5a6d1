"""The whole way from a recipe to a dataset folder."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

from tunewright.contract.atomic import sha256_file, sha256_json
from tunewright.contract.catalog import Catalog, load_catalog
from tunewright.contract.errors import UserError
from tunewright.contract.example import Example, Meta
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.recipe import Recipe
from tunewright.contract.suite import Suite, read_suite
from tunewright.datagen import corpus as corpora_module
from tunewright.datagen.corpus import Corpus, installed_corpus
from tunewright.datagen.dataset_folder import finished_dataset, write_dataset
from tunewright.datagen.families import chains, checks, files, navigation
from tunewright.datagen.families.direct import Question, questions
from tunewright.datagen.guard import NearDuplicates, SuiteGuard
from tunewright.datagen.ledger import Ledger
from tunewright.datagen.maker import Maker
from tunewright.datagen.program import Sandbox
from tunewright.datagen.structure import Exchange, Form, choose_preamble, compose, draw_forms

GENERATOR = 3  # raise it when the same inputs give other examples
DIRECT = 0.15  # share of examples that need no call
NAVIGATION_TOOLS = ("goto_definition", "find_references", "hover", "document_symbols", "workspace_symbols")
ENGINES = ("ty", "jedi", "ruff", "pytest", "pydantic-monty")

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """One example to be made: its group, and its first tool (empty for an answer without a call)."""

    group: str
    tool: str


def generate_dataset(
    recipe: Recipe,
    out: Path,
    seed: int | None = None,
    report: Report | None = None,
    *,
    root: Path = Path(),
) -> DatasetManifest:
    """Make the recipe's dataset in the folder `out`: train.jsonl, valid.jsonl and dataset.json.

    The folder appears whole or not at all. When it is there already and was made from the same inputs, it
    is returned as it is; when it was made from others, nothing is touched and UserError is raised.
    `report(what, done, total)` is called as the work goes on. The recipe's suites, looked for below `root`,
    are kept out of the examples.
    """
    seed = recipe.seed if seed is None else seed
    catalog = load_catalog(recipe.data.catalog)
    catalog = catalog.only(*(recipe.data.tools or catalog.tool_names))
    suites = {e.path: read_suite(root / e.path) for e in recipe.suites if (root / e.path).is_file()}
    sides = {
        "train": [installed_corpus(name) for name in corpora_module.TRAIN],
        "valid": [installed_corpus(name) for name in corpora_module.VALID],
    }
    suite_hashes = {path: sha256_file(root / path) for path in suites}
    corpus_hashes = {corpus.label: corpus.sha256 for side in sides.values() for corpus in side}
    engines = {name: version(name) for name in ENGINES}
    inputs: dict[str, Any] = {
        "generator": GENERATOR,
        "seed": seed,
        "data": recipe.data.model_dump(mode="json"),
        "catalog": catalog.model_dump(mode="json"),
        "suites": suite_hashes,
        "corpora": corpus_hashes,
        "engines": engines,
    }
    key = sha256_json(inputs)
    finished = finished_dataset(out, key)
    if finished is not None:
        return finished

    ledger = Ledger()
    splits = _make_splits(recipe, catalog, list(suites.values()), sides, seed, ledger, report)
    facts: dict[str, Any] = {
        "key": key,
        "generator": GENERATOR,
        "engines": engines,
        "counts": {name: _counts(examples) for name, examples in splits.items()},
        "ledger": ledger.facts(),
    }
    return write_dataset(
        out,
        {name: [example.row() for example in examples] for name, examples in splits.items()},
        seed=seed,
        lineage=corpus_hashes | suite_hashes,
        facts=facts,
    )


def plan_orders(recipe: Recipe, share: float, catalog: Catalog) -> list[Order]:
    """What a split holds: `share` of the recipe's numbers, each group with its tools in equal parts."""
    orders: list[Order] = []
    for group, total in (("navigation", recipe.data.navigation), ("other", recipe.data.other)):
        count = round(total * share)
        tools = [t for t in catalog.tool_names if (t in NAVIGATION_TOOLS) == (group == "navigation")]
        direct = round(count * DIRECT) if tools else count
        orders += [Order(group, "")] * direct
        orders += [Order(group, tools[i % len(tools)]) for i in range(count - direct)]
    return orders


def _make_splits(
    recipe: Recipe,
    catalog: Catalog,
    suites: Sequence[Suite],
    sides: dict[str, list[Corpus]],
    seed: int,
    ledger: Ledger,
    report: Report | None,
) -> dict[str, list[Example]]:
    guard = SuiteGuard(suites)
    known = set(catalog.tool_names)
    scenarios = [
        scenario
        for scenario in navigation.SCENARIOS + checks.SCENARIOS + files.SCENARIOS + chains.SCENARIOS
        if set(scenario.called) <= known
    ]
    pools = split_questions(catalog, guard, Random(seed), ledger)
    shares = {"train": 1 - recipe.data.valid, "valid": recipe.data.valid}
    scratch = Path(tempfile.mkdtemp(prefix="tunewright-"))
    made: dict[str, list[Example]] = {}
    near = NearDuplicates()  # one for both splits: valid may not repeat train
    total = sum(len(plan_orders(recipe, share, catalog)) for share in shares.values())
    done = 0
    try:
        with Sandbox() as sandbox:
            for split, share in shares.items():
                random = Random(f"{seed}/{split}")
                orders = plan_orders(recipe, share, catalog)
                maker = Maker(
                    sides[split], scenarios, catalog, guard, scratch / split, sandbox, random, near, ledger
                )
                try:
                    side = _Side(recipe, maker, pools[split], random)
                    examples: list[Example] = []
                    forms = draw_forms([order.tool for order in orders], recipe.data.structure, random)
                    for order, form in zip(orders, forms):
                        examples.append(side.example(order, form))
                        done += 1
                        if report is not None:
                            report("generate", done, total)
                finally:
                    maker.close()
                random.shuffle(examples)
                made[split] = examples
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return made


def split_questions(
    catalog: Catalog, guard: SuiteGuard, random: Random, ledger: Ledger
) -> dict[str, list[Question]]:
    """Questions without a call for each split; a wording belongs to one split only."""
    kept: list[Question] = []
    for question in questions(catalog):
        reason = guard.reason(question.text, question.template, ())
        if reason is None:
            kept.append(question)
        else:
            ledger.reject("direct", reason)
    wordings = sorted({question.template for question in kept})
    random.shuffle(wordings)
    for_valid = set(wordings[: max(1, len(wordings) // 6)])
    random.shuffle(kept)
    return {
        "train": [question for question in kept if question.template not in for_valid],
        "valid": [question for question in kept if question.template in for_valid],
    }


class _Side:
    """One split on its way."""

    def __init__(self, recipe: Recipe, maker: Maker, pool: list[Question], random: Random) -> None:
        self.recipe = recipe
        self.maker = maker
        self.random = random
        self._asked: Counter[str] = Counter()
        self._earlier: Counter[str] = Counter()
        self._pool = pool

    def example(self, order: Order, form: Form) -> Example:
        system = self.recipe.data.system
        if not order.tool:
            question = self._question(order.group)
            earlier = self._exchange(0, question.text) if form.earlier else None
            messages = compose(form, system, question.text, question.answer, earlier, "")
            self.maker.ledger.keep("direct")
            meta = Meta(
                source=order.group,
                family="direct",
                template=question.template,
                cluster=f"direct:{question.text}",
            )
            return Example(messages=messages, meta=meta)
        made = self.maker.make(order.tool, response=form.loop)
        if made is None:
            raise UserError(
                f"no more examples with {order.tool} can be made from these repositories",
                "Ask for fewer in [data], or give more repositories.",
            )
        place = 1 + [corpus.label for corpus in self.maker.corpora].index(made.corpus)
        earlier = self._exchange(place) if form.earlier else None
        preamble = choose_preamble(order.tool, self.random)
        messages = compose(form, system, made.request, made.work, earlier, preamble)
        meta = Meta.model_validate(
            {
                "source": order.group,
                "family": made.scenario.family,
                "template": made.template,
                "cluster": made.cluster,
                "tool": order.tool,
                "scenario": made.scenario.name,
                "corpus": made.corpus,
            }
        )
        return Example(messages=messages, meta=meta)

    def _question(self, group: str) -> Question:
        about = [q for q in self._pool if _is_navigation(q) == (group == "navigation")] or self._pool
        question = min(about, key=lambda q: self._asked[q.text])
        self._asked[question.text] += 1
        return question

    def _exchange(self, place: int, unlike: str = "") -> Exchange:
        """An earlier exchange. Each repository (`place` from 1) and the direct answers (0) have questions of
        their own, so that a shared first turn never ties two repositories together."""
        own = [q for q in self._pool[place :: len(self.maker.corpora) + 1] if q.text != unlike]
        pool = own or [q for q in self._pool if q.text != unlike]
        question = min(pool, key=lambda q: self._earlier[q.text])
        self._earlier[question.text] += 1
        return Exchange(question.text, question.answer)


def _is_navigation(question: Question) -> bool:
    return any(tool in NAVIGATION_TOOLS for tool in question.tools)


def _counts(examples: Sequence[Example]) -> dict[str, dict[str, int]]:
    return {
        "tool": dict(Counter(example.meta.tool or "direct" for example in examples).most_common()),
        "family": dict(Counter(example.meta.family for example in examples).most_common()),
    }
