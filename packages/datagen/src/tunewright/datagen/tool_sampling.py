"""Which tools an example calls first, and which it offers, under which names.

Of an offer some tools are left out, some look-alikes added, some names masked. It is drawn without looking at the request,
except that the tools it needs are kept (or, where the honest answer is that none fits, taken away).
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from string import ascii_lowercase

from tunewright.contract.catalog import Catalog, Parameter, Tool
from tunewright.datagen.families.scenario import FAMILY_WEIGHTS, Scenario

LOOK_ALIKES = 0.3  # share of offers with look-alikes
MASKED = 0.15  # share of offers whose tools have names that say nothing
ROUNDS = 200  # of the fit
FEWEST, MOST = 5, 20  # tools in an offer, where the catalog has as many

_FILE = Parameter(name="file", type="str")
_LINE = Parameter(name="line", type="int")
_SYMBOL = Parameter(name="symbol", type="str")
_PATH = Parameter(name="path", type="str")


def _decoy(name: str, description: str, *parameters: Parameter) -> Tool:
    return Tool(name=name, description=description, parameters=parameters, result={"success": "bool"})


# Tools that sound like others and do something else. None is ever the right one.
DECOYS = (
    _decoy("goto_implementation", "Which classes implement an abstract method.", _FILE, _LINE, _SYMBOL),
    _decoy("goto_type_definition", "The class of the value that a name holds.", _FILE, _LINE, _SYMBOL),
    _decoy("find_callees", "Which functions a function calls.", _FILE, _LINE, _SYMBOL),
    _decoy("rename_symbol", "Give a symbol another name everywhere.", _FILE, _LINE, _SYMBOL),
    _decoy("ruff_format", "Reformat a file.", _PATH),
    _decoy("ruff_rules", "Explain a lint rule.", Parameter(name="code", type="str")),
    _decoy("pytest_collect", "List tests without running them.", _PATH),
    _decoy("type_coverage", "Share of a file's names that are annotated.", _PATH),
    _decoy("read_notebook", "The cells of a Jupyter notebook.", _PATH),
    _decoy("append_file", "Add a line to the end of a file.", _PATH, Parameter(name="line", type="str")),
    _decoy("git_blame", "Who last changed each line of a file.", _PATH),
    _decoy("run_notebook", "Execute a Jupyter notebook.", _PATH),
)

# What could do a tool's work in its place, or most of it. Where a tool is said to be missing, these are not offered
# either, look-alikes among them: to say that nothing fits would be untrue. A shell can do nearly anything.
INSTEAD: Mapping[str, tuple[str, ...]] = {
    "goto_definition": ("find_references", "document_symbols", "workspace_symbols", "read_file"),
    "find_references": ("workspace_symbols", "read_file"),
    "hover": ("goto_definition", "document_symbols", "read_file", "completion"),
    "completion": ("document_symbols", "workspace_symbols", "hover", "read_file"),
    "document_symbols": ("workspace_symbols", "read_file"),
    "workspace_symbols": ("document_symbols", "find_references"),
    "pytest_run": ("pytest_collect", "stream_tests"),
    "stream_tests": ("pytest_run", "pytest_collect"),
    "git_status": ("git_diff",),
    "git_log": ("git_blame",),
    "write_file": ("append_file",),
    "run_command": ("read_file",),
    "stream_command": ("read_file",),
}
ALWAYS = "run_command"
SHELLS = (ALWAYS, "stream_command")


@dataclass(frozen=True)
class Offer:
    """Tools as the example shows them. `names` maps a tool's own name to the one it goes by here."""

    catalog: Catalog
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def rename(self, code: str) -> str:
        """A program in which the tools go by their names here."""
        for name, shown in self.names.items():
            if name != shown:
                code = re.sub(rf"(?<![\w.]){re.escape(name)}(?=\()", shown, code)
        return code


def calls_by_first_tool(scenarios: Sequence[Scenario]) -> dict[str, dict[str, float]]:
    """For each first tool, how many calls of each tool an example has on average, its own included.

    Kinds come by their weights, and within a kind all scenarios alike.
    """
    kinds: dict[str, dict[str, list[Scenario]]] = defaultdict(lambda: defaultdict(list))
    for scenario in scenarios:
        kinds[scenario.tool][scenario.kind].append(scenario)
    found: dict[str, dict[str, float]] = {}
    for first, by_kind in kinds.items():
        total = sum(FAMILY_WEIGHTS[kind] for kind in by_kind)
        calls = defaultdict[str, float](float)
        for kind, same in by_kind.items():
            for scenario in same:
                for tool in scenario.tools:
                    calls[tool] += FAMILY_WEIGHTS[kind] / total / len(same)
        found[first] = dict(calls)
    return found


def first_tool_shares(
    groups: Sequence[tuple[float, Sequence[str]]], calls: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """The share of a group's examples that each of its tools comes first in, so that its tools are called equally often.

    `groups` are numbers of examples and tools, `calls` is `calls_by_first_tool`. A tool that others' workflows call often
    comes first less often, but at least half as often as in equal parts. Found by iterative proportional fitting.
    """
    free = {
        tool: 1 / len(tools) for _, tools in groups for tool in tools
    }  # of the half that is not in equal parts
    shares = dict(free)
    for _ in range(ROUNDS):
        called = defaultdict[str, float](float)
        for count, tools in groups:
            for first in tools:
                for tool, number in calls[first].items():
                    called[tool] += count * shares[first] * number
        for count, tools in groups:
            if count <= 0:
                continue
            fitted = {tool: free[tool] / called[tool] for tool in tools}
            total = sum(fitted.values())
            free |= {tool: value / total for tool, value in fitted.items()}
            shares |= {tool: (1 / len(tools) + free[tool]) / 2 for tool in tools}
    return {tool: round(share, 6) for tool, share in shares.items()}


def in_turn(shares: Mapping[str, float], count: int) -> list[str]:
    """`count` tools, each as often as its share says to within one, in turn."""
    taken = dict.fromkeys(shares, 0)
    order: list[str] = []
    for number in range(1, count + 1):
        tool = max(shares, key=lambda name: shares[name] * number - taken[name])
        taken[tool] += 1
        order.append(tool)
    return order


def _instead(tools: Collection[str]) -> set[str]:
    """What could do these tools' work, shells always among it."""
    return {other for name in tools for other in INSTEAD.get(name, ())} | {*SHELLS}


def draw_offer(
    catalog: Catalog,
    needed: Collection[str],
    random: Random,
    *,
    missing: bool = False,
    mask: bool = True,
    shell: bool = True,
) -> Offer:
    """Tools in random order. With `missing`, neither those needed nor what could replace them are among them; otherwise
    all that are needed are. Where nothing would be left, look-alikes are offered.

    What a list lacks must not tell that the right tool is missing. So a list without a `shell` is drawn as if some other
    tool were missing, with what could replace that one.
    """
    shells = [name for name in SHELLS if name in catalog.tool_names]
    if missing:
        kept_out = {*needed, *_instead(needed)}
    elif shell:
        if shells and not {*needed} & {*shells}:
            needed = {*needed, random.choice(shells)}
        kept_out = {*needed, *shells}
    else:
        lacking = random.sample([name for name in catalog.tool_names if name not in needed] or [""], 1)
        kept_out = {*needed, *lacking, *_instead(lacking)}
    others = [tool for tool in catalog.tools if tool.name not in kept_out]
    random.shuffle(others)
    most = min(len(catalog.tools), MOST)
    wanted = random.randint(min(FEWEST, most), most)
    right = [] if missing else [tool for tool in catalog.tools if tool.name in needed]
    chosen = right + others[: max(1, wanted - len(right))]
    if random.random() < LOOK_ALIKES or not chosen:
        taken = {tool.name for tool in catalog.tools} | kept_out
        chosen += random.sample([tool for tool in DECOYS if tool.name not in taken], 2)
    random.shuffle(chosen)
    names = {tool.name: tool.name for tool in chosen}
    if random.random() < MASKED and mask:
        letters = random.sample(ascii_lowercase, len(chosen))
        names = {tool.name: f"tool_{letter}" for tool, letter in zip(chosen, letters)}
    shown = tuple(tool.model_copy(update={"name": names[tool.name]}) for tool in chosen)
    return Offer(catalog.model_copy(update={"tools": shown}), names)


def decline(offer: Offer) -> str:
    """The honest answer when the tool a request needs is not there."""
    names = [tool.name for tool in offer.catalog.tools]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"None of my tools does that. I only have {listed}."
