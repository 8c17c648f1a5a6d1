"""Makes one grounded example after another: a scenario, a place in a corpus, a program really run."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from random import Random

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import Catalog
from tunewright.datagen.conversation import Work
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.crosscheck import CrossCheck
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.families.scenario import PLACES, Scenario, fill
from tunewright.datagen.language_server import ServerDied
from tunewright.datagen.own_tools import OwnTools, ToolFailed
from tunewright.datagen.program import Call, Outcome, ProgramFailed, Sandbox
from tunewright.datagen.rejections import Ledger
from tunewright.datagen.slots import Slots, sites_of
from tunewright.datagen.tools import Rejected, Toolbox
from tunewright.datagen.typing_habits import typed
from tunewright.datagen.workspace import ToolTimeout, open_workspace

MAX_LINES = 8  # of a tool's response; what prints more is not asked for
MAX_CHARACTERS = 400  # of a tool's response
ATTEMPTS = 400  # places tried for one example before giving up
TESTED_FILES = 2  # files of a corpus whose tests are run: each run takes a second, and many requests share it

NAVIGATION_ENGINES = " ".join(f"{name}=={version(name)}" for name in ("ty", "jedi"))
CHECKED = {"goto_definition", "find_references"}
# Where a tool of ours lists what it found. How a command ends is a result in itself.
FOUND = {
    **{"goto_definition": "locations", "find_references": "references", "hover": "signature"},
    **{
        "document_symbols": "symbols",
        "workspace_symbols": "symbols",
        "git_log": "commits",
        "git_diff": "hunks",
    },
    **{"typecheck": "errors", "ruff_check": "violations", "pytest_run": "tests"},
}
VOLATILE = {"pytest_run"}  # tools whose results differ from run to run in some field

# How often each kind of work is shown, where a tool has it.
FAMILY_WEIGHTS = {
    "discrimination": 4,
    "one_call": 3,
    "field_access": 6,
    "iteration": 6,
    "conditional": 4,
    "workflow": 5,
    "failure": 2,
}
LIMITS = (1, 2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300)


@dataclass(frozen=True)
class Made:
    """A request with the work it led to."""

    scenario: Scenario
    request: str
    template: str
    work: Work
    corpus: str  # `name==version`
    cluster: str
    values: tuple[str, ...]  # what the request must name, whatever its words
    engines: str  # whose word the navigation results rest on; empty when there are none


@dataclass
class Maker:
    """One split's source of call examples. Close it to end the engines it started."""

    corpora: Sequence[Corpus]
    scenarios: Sequence[Scenario]
    catalog: Catalog
    guard: SuiteGuard
    scratch: Path
    sandbox: Sandbox
    random: Random
    near: NearDuplicates
    check: CrossCheck
    ledger: Ledger = field(default_factory=Ledger)
    own: OwnTools | None = None  # tools of the user's own
    _reasons: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))  # by first tool
    _boxes: dict[str, Toolbox] = field(default_factory=dict[str, Toolbox])
    _sites: dict[tuple[str, str], list[Slots]] = field(default_factory=dict[tuple[str, str], list[Slots]])
    _details: dict[str, str] = field(default_factory=dict[str, str])  # what a user's tool said, by reason
    _turn: Counter[str] = field(default_factory=Counter[str])
    _used: Counter[str] = field(default_factory=Counter[str])

    def close(self) -> None:
        for box in self._boxes.values():
            box.close()

    def make(self, tool: str, fits: Callable[[Scenario], bool]) -> Made | None:
        """An example whose first call is `tool`, of a scenario that `fits`; None when no more can be found."""
        families: dict[str, list[Scenario]] = defaultdict(list)
        for scenario in self.scenarios:
            if scenario.tool == tool and fits(scenario):
                families[scenario.kind].append(scenario)
        left = ATTEMPTS
        while left > 0 and families:
            family = min(
                families, key=lambda name: ((self._used[f"{tool}/{name}"] + 1) / FAMILY_WEIGHTS[name], name)
            )
            self._used[f"{tool}/{family}"] += 1
            scenario = self._least_used([scenario.name for scenario in families[family]], families[family])
            for _ in range(12):
                left -= 1
                made = self._attempt(scenario)
                if made is not None:
                    return made
        return None

    def why_not(self, tools: Sequence[str]) -> str:
        """The commonest reason for which attempts with these tools came to nothing; empty when there were none."""
        reasons = Counter[str]()
        for tool in tools:
            reasons.update(self._reasons[tool])
        if not reasons:
            return ""
        reason, count = reasons.most_common(1)[0]
        detail = self._details.get(reason)
        return f"{reason}{f' ({detail})' if detail else ''}, {count} times"

    def _least_used(self, names: list[str], scenarios: list[Scenario]) -> Scenario:
        fewest = min(self._used[name] for name in names)
        chosen = self.random.choice([s for s in scenarios if self._used[s.name] == fewest])
        self._used[chosen.name] += 1
        return chosen

    def _in_turn(self, answers: Sequence[str]) -> str:
        """The one of some answers that was used least."""
        chosen = min(answers, key=lambda answer: self._used[answer])
        self._used[chosen] += 1
        return chosen

    def _attempt(self, scenario: Scenario) -> Made | None:
        corpus = self.corpora[self._turn[scenario.needs] % len(self.corpora)]
        self._turn[scenario.needs] += 1
        slots = self._next_site(corpus, scenario)
        if slots is None:
            return None
        fewest = min(self._used[wording] for wording in scenario.requests)
        template = self.random.choice([w for w in scenario.requests if self._used[w] == fewest])
        slots = slots | {"limit": self.random.choice(LIMITS), "count": self.random.randint(2, 6)}
        slots["minutes"] = self.random.choice((60, 90, 100, 120, 150, 180, 200, 240, 300, 600))
        if "file" in slots:
            slots["at"] = fill(self.random.choice(PLACES), slots)
            slots["source"] = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1].strip()
        request = typed(fill(template, slots), self.random, template)
        names = [str(slots[name]) for name in ("symbol", "file", "path", "other") if name in slots]
        refused = self.guard.reason(request, template, names)
        reason, work = (refused, None) if refused else self._work(scenario, corpus, slots)
        if reason is None and not self.near.add(request):
            reason = refused = "nearly the same request as another"
        if work is not None or refused:
            # A wording that is refused has had its turn: one that can never pass would be taken for ever.
            self._used[template] += 1
        if reason is not None or work is None:
            reason = reason or "no work"
            self.ledger.reject(scenario.kind, reason)
            self._reasons[scenario.tool][reason] += 1
            return None
        engines = NAVIGATION_ENGINES if set(scenario.tools) & CHECKED else ""
        values = needed_values(template, slots)
        about = slots.get("symbol") or slots.get("path") or slots.get("command") or ""
        return Made(
            scenario, request, template, work, corpus.label, f"{corpus.name}:{about}", values, engines
        )

    def _next_site(self, corpus: Corpus, scenario: Scenario) -> Slots | None:
        key = (corpus.name, scenario.needs)
        if key not in self._sites:
            found = sites_of(corpus, scenario.needs, self.random)
            self._sites[key] = found[:TESTED_FILES] if scenario.needs.startswith("test_file") else found
        sites = self._sites[key]
        if not sites:
            return None
        # Sites are used in turn; when all were, they come again and meet other wordings.
        site = sites.pop(0)
        sites.append(site)
        return site

    def _work(self, scenario: Scenario, corpus: Corpus, slots: Slots) -> tuple[str | None, Work | None]:
        program = scenario.fill_program(slots)
        try:
            outcome = self._run(program, corpus)
        except Rejected as error:
            return str(error), None
        except ProgramFailed as error:
            return f"the program failed: {str(error).split(':')[0]}", None
        except ToolTimeout:
            self._restart(corpus)
            return "a tool took too long", None
        except ToolFailed as error:
            self._details.setdefault(str(error), error.detail)
            return str(error), None
        except ServerDied:
            self._restart(corpus)
            return "the language server failed", None
        stdout = outcome.stdout.rstrip("\n")
        reason = unfit(scenario, outcome, stdout)
        for call in outcome.calls:
            if self.own is not None and call.tool in self.own.names:
                reason = reason or ("the tool says that it failed" if says_failed(call.result) else None)
            else:
                reason = reason or self.check.reason(call, self._box(corpus))
        if reason is not None:
            return reason, None
        answer = scenario.fill_answer(slots, stdout, self._in_turn)
        return None, Work(program, stdout, answer, outcome.calls)

    def _run(self, program: str, corpus: Corpus) -> Outcome:
        box = self._box(corpus)
        parameters = {tool.name: tool.parameter_names for tool in self.catalog.tools}
        known = box.functions | (self.own.bound(box.workspace.repo) if self.own else {})
        tools = {name: function for name, function in known.items() if name in parameters}
        with box.program():
            return self.sandbox.run(program, tools, parameters)

    def _box(self, corpus: Corpus) -> Toolbox:
        if corpus.name not in self._boxes:
            self._boxes[corpus.name] = Toolbox(open_workspace(corpus, self.scratch / corpus.name))
        return self._boxes[corpus.name]

    def _restart(self, corpus: Corpus) -> None:
        if corpus.name in self._boxes:
            self._boxes[corpus.name].close()


def needed_values(template: str, slots: Slots) -> tuple[str, ...]:
    """The slots a wording names, as text; a place counts as its file and its line."""
    names = set(re.findall(r"\{(\w+)\}", template))
    if "at" in names:
        names = (names - {"at"}) | {"file", "line"}
    return tuple(str(slots[name]) for name in sorted(names))


def unfit(scenario: Scenario, outcome: Outcome, stdout: str) -> str | None:
    """Why what a program did makes no good example; None when it does."""
    if scenario.shows_response and (len(stdout) > MAX_CHARACTERS or stdout.count("\n") >= MAX_LINES):
        return "the response is too long"
    if not stdout.strip() and not scenario.nothing:
        return "printed nothing"
    for number, call in enumerate(outcome.calls):
        if scenario.kind != "failure" and in_vain(call, later=number > 0):
            return "a call did not find what it was about"
        if (
            call.tool == "goto_definition"
            and scenario.kind not in ("conditional", "failure")
            and not call.result["success"]
        ):
            return "no definition was found"
        if call.tool == "goto_definition" and defines_itself(call.arguments, call.result):
            return "is at its own definition"
    return None


def in_vain(call: Call, *, later: bool) -> bool:
    """Whether a call had nothing to work on. A checker that finds faults has worked, though it says no success."""
    if call.result.get("success") is not False:
        return False
    if call.tool in ("read_file", "write_file"):
        return True
    found = FOUND.get(call.tool)
    return later and found is not None and not call.result.get(found)


def says_failed(result: dict[str, object]) -> bool:
    """Whether a user's own tool had no success and nothing to show: what its fields hold then is not an answer."""
    shown = [value for key, value in result.items() if key != "success" and not isinstance(value, str | bool)]
    return result.get("success") is False and not any(shown)


def defines_itself(arguments: Slots, result: dict[str, object]) -> bool:
    """Whether the occurrence asked about is the definition: nobody asks where that is."""
    locations = result["locations"]
    return isinstance(locations, list) and any(
        place["file"] == arguments.get("file") and place["line"] == arguments.get("line")
        for place in locations
    )
