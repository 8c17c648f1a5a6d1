"""The whole way from a recipe to a dataset folder."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tunewright.chat.dataset_folder import Row, enough_room, finished_dataset, write_dataset
from tunewright.chat.similar import NearDuplicates
from tunewright.contract.atomic import check_place
from tunewright.contract.catalog import Catalog
from tunewright.contract.chat_template import ChatTemplate
from tunewright.contract.manifest import DatasetManifest
from tunewright.contract.recipe import Data, Recipe
from tunewright.contract.scratch import scratch_folder
from tunewright.datagen.catalogs import shipped_tools
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.dataset_plan import GENERATOR, plan_dataset
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.example_builder import Order, Series, Style, forms_for
from tunewright.datagen.families.direct import Question
from tunewright.datagen.families.family_file import shipped_families
from tunewright.datagen.families.own import own_scenarios, without_scenarios
from tunewright.datagen.families.scenario import Scenario
from tunewright.datagen.no_tool_questions import (
    DIRECT,
    DIRECT_WITH_LISTS,
    GROUPS,
    NAVIGATION_TOOLS,
    by_group,
    count_of,
    split_questions,
)
from tunewright.datagen.rejections import Ledger
from tunewright.datagen.reword import Reworder
from tunewright.datagen.synthesize import Maker, open_engines
from tunewright.datagen.tool_sampling import SHELLS, calls_by_first_tool, first_tool_shares, in_turn

IRRELEVANT = 0.05  # share of examples whose tool is not offered, where enough of them list tools
# Share of the lists without a call in which a tool is missing, at most: in the others a shell may be.
MISSING = 1 / 3
Report = Callable[[str, int, int], None]


def generate_dataset(
    recipe: Recipe,
    out: Path,
    seed: int | None = None,
    report: Report | None = None,
    *,
    root: Path = Path(),
    repos: Sequence[Path] = (),
    template: str | None = None,
) -> DatasetManifest:
    """Make the recipe's dataset in the folder `out`: train.jsonl, valid.jsonl and dataset.json.

    The folder appears whole or not at all. When it is there already and was made from the same inputs, it
    is returned as it is; when it was made from others, nothing is touched and UserError is raised.
    `report(what, done, total)` is called as the work goes on. The recipe's suites, looked for below `root`,
    are kept out of the examples.

    `repos` are checkouts to take the examples from instead of the pinned packages; with several of them the
    last ones are for valid. `template` is a chat template: a row that does not survive being rendered with it
    and read back is rejected.
    """
    check_place(out)
    plan = plan_dataset(recipe, seed, root=root, repos=repos, template=template)
    finished = finished_dataset(out, plan.key)
    if finished is not None:
        return finished

    guard = SuiteGuard(plan.suites)
    ledger = Ledger()
    wording = recipe.data.reword
    style = Style(
        recipe.data,
        plan.catalog,
        ChatTemplate(template) if template else None,
        Reworder(wording, out.parent / ".rewordings") if wording else None,
    )
    with enough_room(out):
        splits = make_splits(style, guard, plan.sides, plan.seed, ledger, report, plan.own, plan.families)
    facts: dict[str, Any] = {
        "key": plan.key,
        "generator": GENERATOR,
        "engines": plan.engines,
        "counts": {name: _counts(rows) for name, rows in splits.items()},
        "ledger": ledger.facts(),
    }
    return write_dataset(out, splits, seed=plan.seed, lineage=plan.lineage, facts=facts)


def tools_of(group: str, tools_to_call: Sequence[str]) -> list[str]:
    """The tools that a group's examples call first; all of them where the group has none of its own."""
    return [t for t in tools_to_call if (t in NAVIGATION_TOOLS) == (group == "navigation")] or list(
        tools_to_call
    )


def group_shares(
    data: Data, scenarios: Sequence[Scenario], tools_to_call: Sequence[str]
) -> dict[str, dict[str, float]]:
    """For each group the share of its examples that each of its tools comes first in."""
    groups = {group: tools_of(group, tools_to_call) for group in GROUPS}
    counts = [(count_of(data, group), tools) for group, tools in groups.items()]
    shares = first_tool_shares(counts, calls_by_first_tool(scenarios))
    return {group: {tool: shares[tool] for tool in tools} for group, tools in groups.items()}


def plan_orders(
    data: Data, group: str, share: float, shares: Mapping[str, float], questions_left: int
) -> list[Order]:
    """What a split holds of a group: `share` of the recipe's number, its tools by their `shares`.

    No question is asked twice, so there are at most `questions_left` direct answers.
    """
    count = round(count_of(data, group) * share)
    tools = list(shares)
    if not tools:
        return [Order(group, "")] * min(count, questions_left)
    direct = min(round(count * (DIRECT_WITH_LISTS if data.offered else DIRECT)), questions_left)
    missing = round(count * IRRELEVANT)
    # Lists of tools are as common among answers without a call as among calls, so they set a limit.
    while missing > int((direct + missing) * data.offered * MISSING):
        missing -= 1
    orders = [Order(group, "")] * direct
    orders += [Order(group, tools[i % len(tools)], missing=True) for i in range(missing)]
    return orders + [Order(group, tool) for tool in in_turn(shares, count - direct - missing)]


class Stopped(Exception):
    """The other group failed, or the user gave up: there is no use in going on."""


@dataclass
class _Progress:
    """Counts finished examples of all threads, and ends them all when one has failed."""

    report: Report | None
    total: int
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def step(self) -> None:
        if self.stopped.is_set():
            raise Stopped
        with self.lock:
            self.done += 1
            if self.report is not None:
                self.report("generate", self.done, self.total)


def make_splits(
    style: Style,
    guard: SuiteGuard,
    sides: dict[str, list[Corpus]],
    seed: int,
    ledger: Ledger,
    report: Report | None = None,
    own: Path | None = None,
    families: Sequence[Scenario] = (),
) -> dict[str, list[Row]]:
    """Rows of each split; the functions of the file `own` are the user's own tools, and `families` are their own.

    The two groups are made side by side; neither depends on the other's pace.
    """
    data, catalog = style.data, style.catalog
    # Users' tools may have the names of ours and other results: then only what is made from the catalog fits.
    scenarios = [*(own_scenarios(catalog) if own else select(catalog)), *families]
    first_asked = [scenario for scenario in scenarios if not scenario.after]
    for reason in without_scenarios(catalog, first_asked, own=own is not None):
        ledger.reject("(all)", reason)
    # A row of single calls without a list of its own lists all tools; a shell among them can do nearly anything.
    denies = not (style.single_calls and data.offered < 1 and set(SHELLS) & set(catalog.tool_names))
    programs = not style.single_calls
    pools = split_questions(catalog, guard, Random(seed), ledger, beyond=denies, programs=programs)
    shares = {"train": 1 - data.valid, "valid": data.valid}
    tools = [tool for tool in catalog.tool_names if any(scenario.tool == tool for scenario in first_asked)]
    first = group_shares(data, first_asked, tools)
    asked = {(group, split): part for split in shares for group, part in by_group(pools[split]).items()}
    plans = {
        (group, split): plan_orders(data, group, shares[split], first[group], len(questions))
        for (group, split), questions in asked.items()
    }
    progress = _Progress(report, sum(map(len, plans.values())))
    for side in sides.values():
        for corpus in side:
            _ = corpus.trees  # parsed here, because threads may not silence warnings on their own
    ledgers = {group: Ledger() for group in GROUPS}

    def make_group(group: str, scratch: Path) -> dict[str, list[Row]]:
        near = NearDuplicates()  # one for both splits: valid may not repeat train
        made: dict[str, list[Row]] = {}
        with open_engines(own, catalog) as engines:
            # The smallest first: it gets its part of what can be asked a few times only.
            for split in sorted(shares, key=lambda name: (shares[name], name)):
                random = Random(f"{seed}/{group}/{split}")
                place = scratch / group / split
                maker = Maker(sides[split], scenarios, catalog, guard, place, engines, random, near)
                with closing(maker):
                    made[split] = _make_series(
                        style,
                        maker,
                        plans[group, split],
                        asked[group, split],
                        random,
                        progress,
                    )
                ledgers[group].add(maker.ledger)
        return made

    with scratch_folder("data") as scratch, ThreadPoolExecutor(len(GROUPS)) as pool:
        futures = [pool.submit(make_group, group, scratch) for group in GROUPS]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            # Whichever failed by itself tells why; the other one was only stopped.
            failed = [future for future in futures if future.done() and future.exception()]
            for future in failed:
                future.result()
        except BaseException:
            progress.stopped.set()
            raise
        groups = [future.result() for future in futures]
    for group in GROUPS:
        ledger.add(ledgers[group])
    splits: dict[str, list[Row]] = {}
    for split in shares:
        splits[split] = [row for made in groups for row in made[split]]
        Random(f"{seed}/{split}").shuffle(splits[split])
    return splits


def _make_series(
    style: Style,
    maker: Maker,
    orders: Sequence[Order],
    asked: Sequence[Question],
    random: Random,
    progress: _Progress,
) -> list[Row]:
    tools = dict.fromkeys(order.tool for order in orders if order.tool)
    series = Series(style, maker, list(tools), asked, random)
    rows: list[Row] = []
    for order, form in zip(orders, forms_for(orders, style.data, random)):
        rows.append(series.row(order, form))
        progress.step()
    return rows


def _counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    return {
        "tool": dict(Counter(row["meta"].get("tool", "direct") for row in rows).most_common()),
        "family": dict(Counter(row["meta"]["family"] for row in rows).most_common()),
    }


def select(catalog: Catalog) -> list[Scenario]:
    """Scenarios all of whose tools are in the catalog, as we know them: a namesake is another tool."""
    ours = shipped_tools(catalog)
    return [scenario for scenario in shipped_families() if set(scenario.tools) <= ours]
