"""Makes one grounded example after another: a scenario, a place in a corpus, a program really run."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from random import Random

from tunewright.chat.similar import NearDuplicates
from tunewright.contract.catalog import Catalog
from tunewright.datagen.candidate import Candidate, take_steps
from tunewright.datagen.corpus import Corpus
from tunewright.datagen.crosscheck import CHECKED, CrossCheck, Jedi
from tunewright.datagen.decontamination import SuiteGuard
from tunewright.datagen.example_messages import Step, Work
from tunewright.datagen.families.scenario import FAMILY_WEIGHTS, PLACES, Scenario, fill
from tunewright.datagen.language_server import ServerDied
from tunewright.datagen.own_tools import OwnTools
from tunewright.datagen.program import Call, ProgramFailed, Sandbox
from tunewright.datagen.rejections import Ledger, Rejected
from tunewright.datagen.slots import Slots, sites_of
from tunewright.datagen.toolbox import Toolbox
from tunewright.datagen.typing_habits import typed
from tunewright.datagen.workspace import ToolTimeout, open_workspace

MAX_LINES = 8  # of a tool's response; what prints more is not asked for
MAX_CHARACTERS = 400  # of a tool's response
ATTEMPTS = 400  # places tried for one example before giving up
TESTED_FILES = 2  # files of a corpus whose tests are run: each run takes a second, and many requests share it

NAVIGATION_ENGINES = " ".join(f"{name}=={version(name)}" for name in ("ty", "jedi"))
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
    "stream_tests": "tests",
}
VOLATILE = {"pytest_run"}  # tools whose results differ from run to run in some field

LIMITS = (1, 2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300)


@dataclass(frozen=True, kw_only=True)
class Attempt(Candidate):
    """A candidate whose work is done by tools, at a place of a repository."""

    source: Scenario
    repository: Corpus
    slots: Slots


@dataclass(frozen=True)
class Engines:
    """What does work and checks it, whatever the repository."""

    sandbox: Sandbox
    check: CrossCheck
    own: OwnTools | None  # tools of the user's own


@contextmanager
def open_engines(own: Path | None, catalog: Catalog) -> Generator[Engines]:
    """Engines while the block runs; the functions of the file `own` are the user's own tools."""
    tools = OwnTools(own, catalog.tool_names) if own else None
    with Sandbox() as sandbox, closing(Jedi()) as jedi, closing(tools) if tools else nullcontext():
        yield Engines(sandbox, CrossCheck(jedi), tools)


@dataclass
class Maker:
    """One split's source of call examples. Close it to end the engines it started."""

    corpora: Sequence[Corpus]
    scenarios: Sequence[Scenario]
    catalog: Catalog
    guard: SuiteGuard
    scratch: Path
    engines: Engines
    random: Random
    near: NearDuplicates
    ledger: Ledger = field(default_factory=Ledger)
    _boxes: dict[str, Toolbox] = field(default_factory=dict[str, Toolbox])
    _sites: dict[tuple[str, str], list[Slots]] = field(default_factory=dict[tuple[str, str], list[Slots]])
    _turn: Counter[str] = field(default_factory=Counter[str])
    _used: Counter[str] = field(default_factory=Counter[str])

    def close(self) -> None:
        for box in self._boxes.values():
            box.close()

    def make(self, tool: str, fits: Callable[[Scenario], bool], follow_ups: int = 0) -> Attempt | None:
        """A candidate whose first call is `tool`, of a scenario that `fits`; None when no more can be found.

        With `follow_ups`, that many more requests refer to what came before them, or fewer, but one at least.
        """
        first = [each for each in self.scenarios if each.tool == tool and not each.after and fits(each)]
        later = [each for each in self.scenarios if each.after and fits(each)] if follow_ups else []
        # A tool whose families cannot be followed up on as often gets as many as they can.
        counts = range(follow_ups, 0, -1) if follow_ups else (0,)
        able = ([each for each in first if goes_on(each, later, set(), count)] for count in counts)
        families: dict[str, list[Scenario]] = defaultdict(list)
        for scenario in next(filter(None, able), []):
            families[scenario.kind].append(scenario)
        left = ATTEMPTS
        while left > 0 and families:
            family = min(
                families, key=lambda name: ((self._used[f"{tool}/{name}"] + 1) / FAMILY_WEIGHTS[name], name)
            )
            self._used[f"{tool}/{family}"] += 1
            named = {scenario.name: scenario for scenario in families[family]}
            scenario = named[self.random.choice(self._least_used(list(named)))]
            self._used[scenario.name] += 1
            for _ in range(12):
                left -= 1
                made = take_steps(self._slot(scenario), self._run, self._cross_check, self._answer, self._new)
                if isinstance(made, Attempt) and follow_ups:
                    made = self._follow_up(made, later, follow_ups)
                if isinstance(made, Attempt):
                    return made
                self.ledger.reject(scenario.kind, made.reason, made.detail)
        return None

    def _least_used(self, names: Sequence[str]) -> list[str]:
        fewest = min(self._used[name] for name in names)
        return [name for name in names if self._used[name] == fewest]

    def _in_turn(self, answers: Sequence[str]) -> str:
        chosen = self._least_used(answers)[0]
        self._used[chosen] += 1
        return chosen

    def _slot(self, scenario: Scenario) -> Attempt | Rejected:
        """A request, which speaks of a place of the next repository."""
        corpus = self.corpora[self._turn[scenario.needs] % len(self.corpora)]
        self._turn[scenario.needs] += 1
        slots = self._next_site(corpus, scenario)
        if slots is None:
            return Rejected("the repository has nothing that it needs")
        template = self.random.choice(self._least_used(scenario.requests))
        slots = slots | self._numbers()
        if "file" in slots:
            slots["at"] = fill(self.random.choice(PLACES), slots)
            slots["source"] = corpus.files[str(slots["file"])].split("\n")[int(slots["line"]) - 1].strip()
        request = self._ask(template, slots)
        if isinstance(request, Rejected):
            return request
        about = next((slots[name] for name in ("symbol", "path", "command", "file") if slots.get(name)), "")
        return Attempt(
            family=scenario.kind,
            tools=scenario.tools,
            request=request,
            template=template,
            cluster=f"{corpus.name}:{about}",
            scenario=scenario.name,
            corpus=corpus.label,
            engines=NAVIGATION_ENGINES if set(scenario.tools) & CHECKED else "",
            values=needed_values(template, slots),
            source=scenario,
            repository=corpus,
            slots=slots,
        )

    def _numbers(self) -> Slots:
        return {
            "limit": self.random.choice(LIMITS),
            "count": self.random.randint(2, 6),
            "minutes": self.random.choice((60, 90, 100, 120, 150, 180, 200, 240, 300, 600)),
        }

    def _ask(self, template: str, slots: Slots) -> str | Rejected:
        """The wording with its slots, as people type, unless a suite asks that."""
        request = typed(fill(template, slots), self.random, template)
        named = ("symbol", "file", "path", "other", "copy", "member")
        names = [str(slots[name]) for name in named if name in slots]
        if reason := self.guard.reason(request, template, names):
            self._used[template] += 1  # one that can never pass would be taken for ever
            return Rejected(reason)
        return request

    def _follow_up(self, made: Attempt, later: Sequence[Scenario], count: int) -> Attempt | Rejected:
        """With requests that follow up on it, `count` or as many as there are families for; rejected without any."""
        steps = [made]
        with self._box(made.repository).program():
            if "write_file" in made.tools:
                self._run(made)  # what it wrote was put back when it ended, and may be asked for now
            while len(steps) <= count:
                step = self._next_step(steps, later, count - len(steps))
                if step is None:
                    break
                steps.append(step)
        if len(steps) == 1:
            return Rejected("no request follows up on it")
        tools = tuple(dict.fromkeys(tool for step in steps for tool in step.tools))
        return replace(made, tools=tools, later=tuple(Step(step.request, step.work) for step in steps[1:]))

    def _next_step(self, steps: Sequence[Attempt], later: Sequence[Scenario], left: int) -> Attempt | None:
        """What can be asked after the last of the steps, of a family that has not been used in them: first one after
        which as many more as are `left` can be asked."""
        last, used = steps[-1], {step.scenario for step in steps}
        able = [family for family in later if family.name not in used and family.follows(last.source)]
        ends = {family.name for family in able if not goes_on(family, later, {*used, family.name}, left)}
        while able:
            family = min(able, key=lambda each: (each.name in ends, self._used[each.name], each.name))
            able.remove(family)
            self._used[family.name] += 1
            # Only the first request of a conversation has to be new: "and where is it defined?" is asked after many.
            made = take_steps(self._refer(family, last), self._run, self._cross_check, self._answer)
            if isinstance(made, Attempt) and answered_before(made, steps):
                made = Rejected("it was answered before")
            if isinstance(made, Attempt):
                return made
            self.ledger.reject("follow_up", made.reason, made.detail)
        return None

    def _refer(self, family: Scenario, last: Attempt) -> Attempt | Rejected:
        """A request that refers to the step before it."""
        taken = family.take(last.slots, last.work.stdout)
        if taken is None:
            return Rejected("the output has not what the request refers to")
        site = {} if family.needs == "nowhere" else self._next_site(last.repository, family)
        if site is None:
            return Rejected("the repository has nothing that it needs")
        slots = site | self._numbers() | taken
        template = self.random.choice(self._least_used(family.requests))
        request = self._ask(template, slots)
        if isinstance(request, Rejected):
            return request
        return replace(
            last,
            tools=family.tools,
            request=request,
            template=template,
            scenario=family.name,
            source=family,
            slots=slots,
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

    def _run(self, made: Attempt) -> Attempt | Rejected:
        """With what its program did."""
        program = made.source.fill_program(made.slots)
        box = self._box(made.repository)
        parameters = {tool.name: tool.parameter_names for tool in self.catalog.tools}
        own = self.engines.own
        known = box.functions | (own.bound(box.workspace.repo) if own else {})
        tools = {name: function for name, function in known.items() if name in parameters}
        try:
            with box.program():
                outcome = self.engines.sandbox.run(program, tools, parameters)
        except Rejected as error:
            return error
        except ProgramFailed as error:
            return Rejected(f"the program failed: {str(error).split(':')[0]}")
        except (ToolTimeout, ServerDied) as error:
            box.close()  # what it needs again starts anew
            slow = isinstance(error, ToolTimeout)
            return Rejected("a tool took too long" if slow else "the language server failed")
        return replace(made, work=Work(program, outcome.stdout.rstrip("\n"), "", outcome.calls))

    def _cross_check(self, made: Attempt) -> Attempt | Rejected:
        """As it is, when its results make a good example and can be relied on."""
        reason = unfit(made.source, made.work)
        for call in made.work.calls:
            if self.engines.own and call.tool in self.engines.own.names:
                reason = reason or ("the tool says that it failed" if says_failed(call.result) else None)
            else:
                reason = reason or self.engines.check.reason(call, self._box(made.repository))
        return Rejected(reason) if reason else made

    def _answer(self, made: Attempt) -> Attempt | Rejected:
        """With its answer."""
        self._used[made.template] += 1
        try:
            answer = made.source.fill_answer(made.slots, made.work.stdout, self._in_turn)
        except KeyError as error:
            return Rejected("the output lacks a word that the answer says", str(error))
        return replace(made, work=replace(made.work, answer=answer))

    def _new(self, made: Attempt) -> Attempt | Rejected:
        """As it is, when nothing near it has been asked before."""
        return made if self.near.add(made.request) else Rejected("nearly the same request as another")

    def _box(self, corpus: Corpus) -> Toolbox:
        if corpus.name not in self._boxes:
            self._boxes[corpus.name] = Toolbox(open_workspace(corpus, self.scratch / corpus.name))
        return self._boxes[corpus.name]


def needed_values(template: str, slots: Slots) -> tuple[str, ...]:
    """The slots a wording names, as text; a place counts as its file and its line."""
    names = set(re.findall(r"\{(\w+)\}", template))
    if "at" in names:
        names = (names - {"at"}) | {"file", "line"}
    return tuple(str(slots[name]) for name in sorted(names))


def unfit(scenario: Scenario, work: Work) -> str | None:
    """Why what a program did makes no good example; None when it does."""
    if scenario.shows_response and (
        len(work.stdout) > MAX_CHARACTERS or work.stdout.count("\n") >= MAX_LINES
    ):
        return "the response is too long"
    if not work.stdout.strip() and not scenario.nothing:
        return "printed nothing"
    for number, call in enumerate(work.calls):
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
        if call.tool == "completion" and call.result.get("truncated") and not _CUTS.search(work.program):
            return "a list that was cut off is taken for the whole"
    return None


def goes_on(family: Scenario, later: Sequence[Scenario], used: set[str], left: int) -> bool:
    """Whether `left` more families, none of them used, can come one after the other after a family."""
    return left == 0 or any(
        each.follows(family) and goes_on(each, later, {*used, each.name}, left - 1)
        for each in later
        if each.name not in used
    )


def answered_before(made: Attempt, steps: Sequence[Attempt]) -> bool:
    """Whether all that a step printed was printed by the same tool in a step before it: nobody asks that again."""
    alike = [step for step in steps if set(step.tools) & set(made.tools)]
    known = {line for step in alike for line in step.work.stdout.splitlines()}
    return bool(alike) and set(made.work.stdout.splitlines()) <= known


_CUTS = re.compile(r"\btruncated\b|\blimit=")  # in a program that knows that the list may be cut off


def in_vain(call: Call, *, later: bool) -> bool:
    """Whether a call had nothing to work on. A checker that finds faults has worked, though it says no success."""
    if call.result.get("success") is not False:
        return False
    if call.tool in ("read_file", "write_file", "completion"):
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
