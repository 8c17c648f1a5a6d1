"""An answer's runs compared with a gold program's, world by world.

Right is what no world tells from the gold: the same calls with the same arguments (in any order, unless one of them
changes something), every value that the gold prints, no other value of the world, the texts that the request asks to
print. Where the request says nothing about a world (nothing was found and no condition was asked for) the answer may
stop, say so, or fail, as long as it calls nothing else.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunewright.contract.catalog import Catalog
from tunewright.contract.suite import Case
from tunewright.eval.execution import WorldCall, WorldRun
from tunewright.eval.mixed_up import mixed_up
from tunewright.eval.printed import Output, contains, failed, keys_of, stems
from tunewright.eval.wordings import says
from tunewright.eval.worlds import call_key

# First words of tools that change something; the order of their calls matters.
_CHANGES = re.compile(
    r"write|run|exec|execute|create|delete|remove|update|set|send|post|put|add|edit|apply|move|rename|insert|save|commit|"
    r"push|install|book|cancel|pay|buy|order|upload|schedule|start|stop"
)
_FINDS = re.compile(r"find|goto|search|lookup")
_ORDERED = re.compile(r"\b(then|after|afterwards|before|first run|followed by|next|finally)\b")
_SORTED = re.compile(
    r"\b(sort|sorted|order of|ordered|alphabetical(?:ly)?|descending|ascending|newest|oldest|reversed?)\b"
)
_EACH_ONCE = re.compile(
    r"\b(?:each|every|all)\b.{0,20}\bonce\b|\bonly once\b|\b(?:no|without) (?:duplicates|repetitions?|repeats)\b|"
    r"\b(?:distinct|unique)\b"
)
_EVERY_USE = re.compile(
    r"\b(?:each|every|all) (?:\w+ )?(?:usages?|uses?|references?|occurrences?|mentions?|calls?)\b"
)
# Fields in the order in which they are to be printed.
_PRINT_ORDER = re.compile(
    r"\b(?:print|output|first)\b[^;]{0,120}?(?:, then|,? and then|\bfollowed by|\bfirst, and below)"
    r"(?! (?:run|read|lint|have|typecheck|print|the tests|find))|"
    r"\b(?:file|line|path|column), then (?:its |the )?(?:line|column|file)\b|\bfirst,? then\b|\bfile:line\b"
)
_ONE_NUMBER = re.compile(r"\b(?:a|one) single number\b|\b(?:just|only) the (?:number|count)\b")
_FOLDER = re.compile(r"\b(?:src|tests)/((?:test_)?fi\d+\.py)")  # a file of a world
_NOTHING_ELSE = re.compile(r"\bnothing (?:else|more)\b")
_SEPARATED = re.compile(r"\bseparated by (?:an? |one |single )*(colon|comma|semicolon|slash|hyphen|pipe)s?\b")
_SEPARATORS = {"colon": ":", "comma": ",", "semicolon": ";", "slash": "/", "hyphen": "-", "pipe": "|"}
_NONE = re.compile(r"\b(0|no|none|zero|not|nothing|empty|without|free|clean)\b")
# Conditions that a request states itself: what is not there is then part of what was asked.
_CONDITION = re.compile(r"\bif (?:it|it's|they|any|found|there)\b")
# What a program may say where nothing is to be printed: that there is nothing, or too little, of what was asked about.
_SILENT = re.compile(
    r"\b(?:nothing otherwise|(?:otherwise|else|or|not) (?:print )?nothing|(?:say|show|output) nothing)\b"
)
_DENIES = re.compile(
    r"\b(0|no|none|zero|not|nothing|empty|without|free|clean|ok|okay|fine|only|less|fewer|short|small|few)\b|n't\b"
)
# What denies that the tool was called, or says nothing about what it found.
_UNDONE = re.compile(
    r"\b(?:not (?:yet )?(?:tested|checked|run|linted|executed|done|what)|untested|unchecked)\b"
)
# Questions that a check's success answers with yes, those that its failure does, and what tells that there is a question.
_GOOD = re.compile(
    r"\b(?:(?:free of|without|no) (?:\w+ ){0,2}\w+s|clean|pass(?:es|ing)?|ok|okay|fine|happy|add up|green|valid|in order|"
    r"works?|working|right|correct)\b"
)
_BAD = re.compile(
    r"\b(?:any|errors?|fail(?:s|ing|ures?)?|complain\w*|broken|wrong|problems?|issues?|violations?|mistakes?)\b"
)
# Words for an outcome that is as it should be, and for one that is not, whatever the request says.
_WELL = re.compile(
    r"\b(?:yes|ok|okay|true|pass(?:ed|es|ing)?|succe\w+|fine|good|green|clean|tidy|clear|correct|right|valid|safe|sound|work(?:ed|s|ing)|done|"
    r"finished|ready|found|used|alive|in use|resolved|in order|free)\b"
)
_ILL = re.compile(
    r"\b(?:fail\w*|errors?|problems?|issues?|violations?|mistakes?|complain\w*|broken|wrong|bad|dirty|messy|incorrect|invalid|unsafe|"
    r"dead|missing|absent|unresolved|unsound|unsuccessful\w*|unclean|untidy|unused|findings?|faults?)\b"
)
# Those of them that say whether there is anything, which is what a search tells; and those that nothing else tells.
_THERE = re.compile(
    r"\b(?:yes|true|found|used|unused|alive|dead|in use|resolved|unresolved|missing|absent|free)\b"
)
_ONLY_THERE = re.compile(r"\b(?:used|unused|alive|dead|in use|resolved|unresolved)\b")
_TURNS = re.compile(r"\b(?:no|not|none|nothing|never|without|zero|0|free of)\b|n't\b")
# The same in a text that shows values, too: a zero belongs to what follows it, a count's label says nothing.
_NEGATES = re.compile(
    r"\b(?:no|not|none|nothing|never|without|free of)\b|n't\b|"
    r"\b(?:0|zero) (?:\w+ ){0,2}?(?:fail\w*|errors?|problems?|issues?|violations?|mistakes?)\b"
)
_UNABLE = re.compile(r"\b(?:could|can|did|was|were)(?: not|n't)\b|\b(?:can't|cannot|unable)\b")
_LABEL = re.compile(r"\b\w+:\s*(?=\d)")
_YES_OR_NO = re.compile(r"(yes|no)(?:[,:.!]|$)")
_CHOICE = re.compile(r"\b(?:true or false|yes or no)\b")
_ASKED = re.compile(r"\?|\b(?:whether|if)\b|^(?:is|are|do|does|did|has|have|can|any|will)\b")
_FUNCTION_WORDS = frozenset(
    (
        *(
            "a",
            "an",
            "and",
            "any",
            "are",
            "at",
            "be",
            "been",
            "did",
            "do",
            "does",
            "enough",
            "file",
            "for",
            "had",
            "has",
        ),
        *(
            "have",
            "here",
            "in",
            "is",
            "it",
            "its",
            "least",
            "lines",
            "more",
            "most",
            "of",
            "on",
            "or",
            "so",
            "than",
        ),
        *("that", "the", "there", "this", "to", "too", "was", "were", "with", "all", "yet"),
    )
)
# What a program may say where a call worked, in words that the request has too: "is it clean?" is answered by `clean`.
_AFFIRMS = re.compile(
    r"\b(?:yes|ok|okay|true|pass(?:ed|es)?|succe\w+|fine|good|green|clean|done|worked|works|found|valid)\b"
)
# What the program has wrong, whatever a call returns: a field or a name that does not exist.
_MISTAKES = frozenset({"AttributeError", "NameError"})
_STEM = 4  # letters by which a word of the request is known
_SAID = 60  # characters of an output that a reason quotes

Wrong = dict[str, list[str]]
CHECKS = ("runs", "tools", "arguments", "fields")


@dataclass
class Grade:
    """What is wrong by check, worlds that were right, and why a program could not be judged."""

    wrong: Wrong = field(default_factory=lambda: {name: [] for name in CHECKS})
    right_worlds: int = 0
    worlds: int = 0
    unjudged: str = ""
    # In each world: the outputs of gold and answer, and whether the answer's holds a value of the world.
    shown: list[tuple[str, str, bool]] = field(default_factory=list[tuple[str, str, bool]])

    @property
    def hopeless(self) -> bool:
        """Wrong in two worlds, and either right in another one or wrong in four: more worlds tell nothing new."""
        wrong = self.worlds - self.right_worlds
        return bool(self.unjudged) or wrong >= 4 or (wrong >= 2 and self.right_worlds > 0)

    @property
    def passed(self) -> bool:
        return not self.unjudged and not any(self.wrong.values())

    @property
    def faults(self) -> int:
        return sum(len(reasons) for reasons in self.wrong.values())


class Grader:
    """One case with one gold's runs, against which any number of answers are graded."""

    def __init__(
        self,
        case: Case,
        golds: Sequence[WorldRun],
        catalog: Catalog,
        literals: Iterable[str] = (),
        known: Iterable[tuple[str, Mapping[str, Any], Any]] = (),
    ) -> None:
        """`literals`: texts in the gold's source, whose words say nothing about a result. `known`: calls that the
        conversation has already made, which an answer may make again."""
        self.case = case
        self.catalog = catalog
        self.literals = frozenset(word for text in literals for word in re.findall(r"[a-z]+", text.lower()))
        self.golds = golds
        self.outputs = [Output(gold) for gold in golds]
        self.known = [(name, arguments) for name, arguments, _ in known if not _changes(name)]
        self.notices = case.expect.notices
        self.request = case.request.lower()
        # Words that an answer to a question may repeat.
        asked = self.request if _ASKED.search(self.request) else ""
        self._asked = {word[:_STEM] for word in re.findall(r"[a-z]{3,}", asked)}
        self._searches = all(_FINDS.match(call.tool) for call in golds[0].calls)
        self.strict = bool(case.expect.fields)
        # Fields that the gold prints in some world.
        self._fields = {
            output.own[key] for output in self.outputs for key in output.keys if key in output.own
        }
        self._silent = not any(output.text.strip() for output in self.outputs)
        self.conditional = bool(_CONDITION.search(self.request)) or any(
            entry.startswith("if") for entry in case.expect.control
        )
        # Texts that the request asks to print: lines of the gold that hold no value and stand in the request.
        self.constants = {
            line
            for output in self.outputs
            for line in output.plain_lines
            if self.strict and contains(self.request, line) and line not in ("true", "false", "none")
            if not says(line, self.notices)
            # A label whose value is empty in one world is not a text of its own.
            if not any(contains(valued, line) for other in self.outputs for valued in other.valued_lines)
        }

    def world(self, number: int, answer: WorldRun, grade: Grade) -> None:
        """Compare an answer's run in world `number`, and note what is wrong in `grade`."""
        gold = self.golds[number]
        grade.worlds += 1
        if answer.unjudged:
            grade.unjudged = answer.unjudged
            return
        before = grade.faults
        self._world(number, gold, answer, grade)
        if not self.strict and not self._open(number, gold):  # what `finish` looks at
            output = Output(answer)
            valued = any(key in output.sources for key in output.keys - {"0"})
            grade.shown.append((" ".join(gold.output.split()), " ".join(answer.output.split()), valued))
        grade.right_worlds += grade.faults == before

    def finish(self, grade: Grade) -> None:
        """After the last world: what is printed must differ wherever the gold's output differs."""
        if not self.strict and grade.worlds == len(self.golds):
            self._tells(grade)

    def _open(self, number: int, gold: WorldRun) -> bool:
        """Whether the request says nothing about what to do in this world."""
        if self.conditional or self.notices:
            return bool(gold.error)
        output = self.outputs[number]
        says = any(line in self.constants or line in ("true", "false") for line in output.plain_lines)
        says = says or bool(_word_lines(output, _result_words(gold) - self.literals))
        nothing = bool(gold.calls) and not output.values and not says and not self._silent
        # Whether there is anything is answered where nothing is found, too: a gold says false there.
        told = any(line in ("true", "false") for line in output.plain_lines)
        stuck = any(failed(call) and not (told and _FINDS.match(call.tool)) for call in gold.calls)
        # Whoever has a command run and asks nothing else is told that it failed in any way.
        stuck = stuck or (not self.strict and not told and any(_exits_badly(call) for call in gold.calls))
        return bool(gold.error) or stuck or nothing

    def _world(self, number: int, gold: WorldRun, answer: WorldRun, grade: Grade) -> None:
        if answer.stopped:
            grade.wrong["runs"].append(answer.message)
            return
        is_open = self._open(number, gold)
        answer = replace(answer, calls=self._new(gold.calls, answer.calls))
        mistaken = answer.error in _MISTAKES and "'NoneType'" not in answer.message
        if answer.error and (mistaken or not is_open):
            said = f"it fails with {answer.error}: {answer.message}".rstrip(": ")
            grade.wrong["runs"].append(f"{said}, {self._where(gold)}" if gold.calls else said)
        self._calls(gold, answer, grade, is_open)
        if not is_open and not answer.error:
            grade.wrong["fields"] += self._output(number, gold, Output(answer))
        elif any(map(_exits_badly, gold.calls)) and (belied := self._belies(gold, Output(answer))):
            grade.wrong["fields"].append(f"it says {belied!r}, {self._where(gold)}")

    def _new(self, gold: Sequence[WorldCall], calls: Sequence[WorldCall]) -> tuple[WorldCall, ...]:
        """Calls without those that the conversation has made before and the gold does not make again."""
        asked = [(call.tool, call.arguments) for call in gold]
        return tuple(
            call
            for call in calls
            if (call.tool, call.arguments) in asked or (call.tool, call.arguments) not in self.known
        )

    def _where(self, gold: WorldRun) -> str:
        """A world in words: what the gold's calls return in it."""
        return "where " + " and ".join(_said_result(call) for call in gold.calls[:3])

    def _calls(self, gold: WorldRun, answer: WorldRun, grade: Grade, is_open: bool) -> None:
        # What the gold asks several times, with the same answer each time, need be asked but once.
        times = Counter(call_key(call.tool, call.arguments) for call in gold.calls if not _changes(call.tool))
        gold, answer = (replace(run, calls=_once(run.calls, times)) for run in (gold, answer))
        wanted = Counter(call.tool for call in gold.calls)
        made = Counter(call.tool for call in answer.calls)
        if made - wanted or (wanted - made and not (is_open and made)):
            said, right = _named(answer.calls), _named(gold.calls)
            grade.wrong["tools"].append(f"it calls {said}; right is {right}, {self._where(gold)}")
            return
        if answer.error and not is_open:
            return
        rest = list(gold.calls)
        for call in answer.calls:
            match = next((other for other in rest if self._same(other, call)), None)
            if match is None:
                other = next(other for other in (*rest, *gold.calls) if other.tool == call.tool)
                grade.wrong["arguments"].append(self._difference(other, call, gold))
                return
            rest.remove(match)
        if self._order(gold.calls) != self._order(answer.calls) and not is_open:
            grade.wrong["tools"].append(
                f"it calls {_named(answer.calls)}; the order that was asked for is {_named(gold.calls)}"
            )

    def _same(self, gold: WorldCall, answer: WorldCall) -> bool:
        return gold.tool == answer.tool and not self._different(gold, answer)

    def _different(self, gold: WorldCall, answer: WorldCall) -> str:
        """The first parameter whose value is another one; empty when the calls are the same."""
        wanted = self.case.expect.arguments.get(gold.tool)
        tool = self.catalog.tool(gold.tool)
        for name, value in gold.arguments.items():
            given = answer.arguments[name]
            if type(given) is type(value) and given == value:
                continue
            parameter = next((p for p in tool.parameters if p.name == name), None) if tool else None
            if wanted is not None and name not in wanted and parameter is not None and parameter.required:
                continue  # free, unless it shows another value of the world
            computed = isinstance((wanted or {}).get(name), dict) and name not in ("path", "file")
            same_values = set(keys_of(value)) == set(keys_of(given)) and bool(keys_of(value))
            computed = computed and not _NOTHING_ELSE.search(self.request)
            if computed and isinstance(value, str) and isinstance(given, str | int) and same_values:
                continue
            return name
        return ""

    def _difference(self, gold: WorldCall, answer: WorldCall, run: WorldRun) -> str:
        name = self._different(gold, answer)
        if not name:
            return f"it calls {answer.tool} once too often, {self._where(run)}"
        return f"{answer.tool}: {name} must be {_short(gold.arguments[name])}, is {_short(answer.arguments[name])}"

    def _order(self, calls: Sequence[WorldCall]) -> list[Any]:
        """Calls as far as their order matters: those that change something, and what they share a resource with."""
        changing = [call for call in calls if _changes(call.tool)]
        if not changing:
            return []
        if _ORDERED.search(self.request):
            return [call.tool for call in calls]
        touched = {str(value) for call in changing for value in call.arguments.values() if value}
        return [
            call.tool
            for call in calls
            if call in changing or touched & {str(v) for v in call.arguments.values()}
        ]

    def _output(self, number: int, gold: WorldRun, answer: Output) -> list[str]:
        output = self.outputs[number]
        where = self._where(gold)
        notice, given = says(output.text, self.notices), says(answer.text, self.notices)
        if notice and not given:
            return [f"it does not say {' or '.join(self.notices[:3])}, {where}"]
        if given and not notice:
            return [f"it says {given}, {where}"]
        undone = _UNDONE.search(answer.words) if len(self.case.expect.tools) == 1 else None
        if undone and undone[0] not in self.request and undone[0] not in output.words:
            return [f"it says {undone[0]} of what was done, {where}"]
        if self.strict:
            wanted = [line for line in output.plain_lines if line in self.constants]
            for line in wanted:
                if not contains(answer.words, line):
                    return [f"it does not print {line}, {where}"]
            for line in self.constants - set(wanted):
                if contains(answer.words, line) and not any(line in other for other in wanted):
                    return [f"it prints {line}, {where}"]
        missing = [key for key in output.keys if key not in answer.keys]
        if missing == ["0"] and _NONE.search(answer.words):
            missing = []
        if missing:
            return [f"it prints {_quoted(answer.text)} where {_quoted(output.text)} is right, {where}"]
        if not self.strict and _EVERY_USE.search(self.request) and len(answer.values) < len(output.values):
            return [f"it leaves out some of them, {where}"]
        if belied := self._belies(gold, answer):
            return [f"it says {belied!r}, {where}"]
        if notice:
            return []  # further details of a failure are harmless
        if not self.strict:
            # An object as a whole labels what it holds itself.
            if "=" not in answer.text and (swapped := _swapped(answer, answer)):
                return [f"it prints {swapped[0]} under the name of {swapped[1]}, and the other way round"]
            return [] if answer.text.strip() or self._silent else [f"it prints nothing, {where}"]
        if (
            self.conditional
            and answer.text.strip()
            and not output.text.strip()
            and not self._excuse(gold, answer)
        ):
            return [f"it prints {_quoted(answer.text)} where nothing is to be printed, {where}"]
        if foreign := self._foreign(output, answer):
            named = ", ".join(sorted({source.field for key in foreign for source in answer.sources[key]}))
            return [f"it prints {named} as well, which was not asked for, {where}"]
        if _EACH_ONCE.search(self.request) and (again := _said_again(output, answer)):
            return [f"it prints {again} more than once, {where}"]
        if _ONE_NUMBER.search(self.request) and len(output.values) == 1 < len(answer.values):
            return [f"it prints several numbers, {where}"]
        if wrong := self._wrong_place(output, answer):
            return [f"{wrong}, {where}"]
        if mislabelled := answer.mislabelled():
            return [f"it prints {mislabelled[0]} under the name of {mislabelled[1]}, {where}"]
        if _PRINT_ORDER.search(self.request) and not _same_order(output, answer):
            return [f"it prints the right values in another order than was asked for, {where}"]
        if swapped := _swapped(output, answer):
            return [f"it prints {swapped[0]} under the name of {swapped[1]}, and the other way round"]
        if _torn(output, answer):
            return [f"it puts values together that do not belong together, {where}"]
        if mixed_up(output, answer, self.request):
            return [f"it prints one call's result as another's, {where}"]
        if _SORTED.search(self.request) and _sequence(output) != _sequence(answer, output.keys):
            return [f"it prints the right values in another order, {where}"]
        asked = _SEPARATED.search(self.request)
        if asked and (sign := _SEPARATORS[asked[1]]) in output.text and sign not in answer.text:
            return [f"it puts no {asked[1]} between the values, {where}"]
        return _words_of(output, answer, where, _result_words(gold) - self.literals)

    def _wrong_place(self, gold: Output, answer: Output) -> str:
        """What is wrong with files as they are written; empty when nothing is."""
        bare = [name for name in _FOLDER.findall(gold.text) if name in answer.text]
        if set(bare) - set(_FOLDER.findall(answer.text)):
            return "it prints files without their folder"
        return ""

    def _belies(self, gold: WorldRun, answer: Output) -> str:
        """A line in words that says the contrary of how the only call came out; empty when there is none."""
        result = gold.calls[0].result if len(gold.calls) == 1 else None
        if not isinstance(result, dict) or not isinstance(success := result.get("success"), bool):
            return ""
        lists = [value for value in result.values() if isinstance(value, list)]  # pyright: ignore[reportUnknownVariableType]
        finds = bool(_FINDS.match(gold.calls[0].tool))
        if lists and not any(lists):
            if finds:
                success = False
            elif not success:  # no test ran: neither passed nor failed
                return ""
        own = [line for line in answer.statements if not contains(self.request, line)]
        return next((line for line in own if _says_well(line, finds) is (not success)), "")

    def _excuse(self, gold: WorldRun, answer: Output) -> bool:
        """Whether a text is a heading, or denies what the request, or a result's field, is about: `no violations`."""
        if _SILENT.search(self.request):
            return False
        if all(line.rstrip().endswith(":") for line in answer.text.splitlines() if line.strip()):
            return True
        if not _DENIES.search(answer.words):
            return False
        words = [word for word in re.findall(r"[a-z]{3,}", answer.words) if word not in _FUNCTION_WORDS]
        about = [word for word in words if not _DENIES.fullmatch(word)]
        known = {word[:4] for word in re.findall(r"[a-z]{3,}", self.request)} | {
            word[:4]
            for call in gold.calls
            if isinstance(call.result, dict)
            for word in _field_words(call.result)
        }
        return not about or any(word[:4] in known for word in about)

    def _foreign(self, gold: Output, answer: Output) -> list[str]:
        """Values of the world that the gold does not print. What the request says, or a call was given, may be said
        again, unless it is the value of a field that the request asks to print."""
        given = {
            key for call in answer.run.calls for value in call.arguments.values() for key in keys_of(value)
        }
        said = given | set(keys_of(self.request)) | (set() if self.conditional else {"0"})
        return [
            key
            for key in answer.keys - gold.keys
            if key in answer.sources and (key not in said or self._printed(key, answer))
        ]

    def _printed(self, key: str, answer: Output) -> bool:
        return key != "0" and any(source.field in self._fields for source in answer.sources[key])

    def _tells(self, grade: Grade) -> None:
        if any(grade.wrong.values()):
            return
        said: dict[str, str] = {}
        for gold, answer, _ in grade.shown:
            if said.setdefault(answer, gold) != gold:
                grade.wrong["fields"].append(f"it prints {_quoted(answer)} whatever comes out")
                return
        # A yes or no is told by a text that is always the same, or by nothing, in one of the two cases: the number of
        # tests that passed says nothing about those that failed. Where no value is printed, the text has to say it.
        yes_or_no = {gold for gold, _, _ in grade.shown}
        if yes_or_no != {"True", "False"}:
            return
        with_values = {gold for gold, _, valued in grade.shown if valued}
        echo = next((text for gold, text, _ in grade.shown if gold == "True" and self._echoes(text)), "")
        succeeds = self._succeeds()
        # Who has a file written and does not ask how it went is told anything but the contrary.
        asked = _ASKED.search(self.request) or not any(_changes(call.tool) for call in self.golds[0].calls)
        own_words = asked and succeeds and not with_values
        told = {
            (gold, text): _says_well(text, self._searches) if succeeds else None
            for gold, text, _ in grade.shown
        }
        if contrary := next(
            (said for said, well in told.items() if well not in (None, said[0] == "True")), None
        ):
            grade.wrong["fields"].append(f"it prints {_quoted(contrary[1])} where it is the other way round")
            return
        # One side says so, or both.
        tells = any(
            all(well is not None for (gold, _), well in told.items() if gold == side) for side in yes_or_no
        )
        if (with_values == yes_or_no and not tells) or (echo and not with_values and not own_words):
            grade.wrong["fields"].append(f"{_quoted(echo or grade.shown[0][1])} tells neither yes nor no")
            return
        texts = {(gold, answer.lower()) for gold, answer, _ in grade.shown}
        wrong = self._wrong_way_round(texts) if succeeds else ""
        if wrong := wrong or (self._unclear(texts) if own_words else ""):
            grade.wrong["fields"].append(wrong)

    def _succeeds(self) -> bool:
        """Whether what the gold prints is the success of its one call."""
        runs = [run for run in self.golds if run.output.strip() in ("True", "False")]
        results = [run.calls[0].result for run in runs if len(run.calls) == 1]
        return len(results) == len(runs) and all(
            isinstance(result, dict) and str(result.get("success")) == run.output.strip()
            for run, result in zip(runs, results)
        )

    def _wrong_way_round(self, said: set[tuple[str, str]]) -> str:
        """Why a bare yes and no, by success, do not answer the request; empty when they do or it cannot be told."""
        heads = {(gold, match[1]) for gold, answer in said if (match := _YES_OR_NO.match(answer))}
        if {head for _, head in heads} != {"yes", "no"} or len(heads) != 2:
            return ""
        if not _ASKED.search(self.request):
            return "it prints yes or no, and nothing was asked that these answer"
        good, bad = self._asks()
        if good and bad:
            return "it prints yes or no, and two things were asked" if " or " in self.request else ""
        if (good and ("True", "no") in heads) or (bad and ("True", "yes") in heads):
            return "yes and no are the wrong way round"
        return ""

    def _unclear(self, said: set[tuple[str, str]]) -> str:
        """Why texts of the answer's own do not say whether a call had success; empty when they do.

        They say so in words that all know (`valid`, `3 errors`), or in those of the question (`happy` and `not happy`).
        """
        repeats: dict[str, set[tuple[frozenset[str], bool]]] = {"True": set(), "False": set()}
        for gold, text in sorted(said):
            rest, turned = _TURNS.sub(" ", text), bool(_TURNS.search(text))
            words = [word for word in re.findall(r"[a-z]{3,}", rest) if word not in _FUNCTION_WORDS]
            if text in ("yes", "no", "true", "false"):
                continue
            if (choice := _CHOICE.search(self.request)) and contains(self.request, text):
                return f"it prints {_quoted(text)}, which is not {choice[0]}"
            ill = bool(_ILL.search(rest))
            if self._searches and (ill or _WELL.search(rest)) and not _THERE.search(rest):
                return f"{_quoted(text)} does not say whether there is anything"
            if not self._searches and (other := _ONLY_THERE.search(rest)) and other[0] not in self.request:
                return f"{_quoted(text)} does not say how it came out"
            if ill or _WELL.search(rest) or (turned and not words):  # `none`, where problems were asked about
                well = not turned if _WELL.search(rest) and not ill else turned
                if well != (gold == "True"):
                    return f"it prints {_quoted(text)} where it is the other way round"
            elif words and all(word[:_STEM] in self._asked for word in words):
                repeats[gold].add((frozenset(word[:_STEM] for word in words), turned))
            else:
                return f"{_quoted(text)} does not say how it came out"
        if {(words, not turned) for words, turned in repeats["True"]} != repeats["False"]:
            return "its texts do not say how it came out"
        good, bad = self._asks()
        if good != bad and any(turned is good for _, turned in repeats["True"]):
            return "its texts are the wrong way round"
        return ""

    def _asks(self) -> tuple[bool, bool]:
        """Whether the request asks if something is good, and if something is bad."""
        rest = _GOOD.sub(" ", self.request)
        return rest != self.request, bool(_BAD.search(rest))

    def _echoes(self, text: str) -> bool:
        """Whether a text consists of words of the request, and none of them says that something is fine or missing."""
        words = re.findall(r"\w+", text.lower())
        said = not (_AFFIRMS.search(text.lower()) or _DENIES.search(text.lower()))
        return bool(words) and said and set(words) <= set(re.findall(r"\w+", self.request))


def _exits_badly(call: WorldCall) -> bool:
    return isinstance(call.result, dict) and bool(call.result.get("exit_code"))


def _same_order(gold: Output, answer: Output) -> bool:
    """Whether the fields that the gold prints come in the gold's order."""
    if gold.text.count(".py") > len(_FOLDER.findall(gold.text)):
        return True  # a file that the request names is not a value of the world, and its place cannot be told
    wanted = gold.fields(gold.own)
    return [field for field in answer.fields(gold.own) if field in wanted] == wanted


def _says_well(text: str, finds: bool = False) -> bool | None:
    """Whether a text says that a call had success; None when it does not say, or says both. `finds`: the call searches."""
    said = _LABEL.sub(" ", _UNABLE.sub(" failed ", _YES_OR_NO.sub(" ", text.lower(), count=1)))
    said = said if finds else said.replace("found", "")
    rest, turned = _NEGATES.sub(" ", said), bool(_NEGATES.search(said))
    ill, well = bool(_ILL.search(said)), bool(_WELL.search(rest))
    if "=" in text or ("pass" in said and "fail" in said) or not (ill or well):
        return None  # an object as a whole, both, or neither
    return turned if ill else not turned


def _changes(tool: str) -> bool:
    return _CHANGES.fullmatch(tool.split("_")[0]) is not None


def _once(calls: Sequence[WorldCall], times: Mapping[str, int]) -> tuple[WorldCall, ...]:
    """Calls without repetitions of those that `times` has more than once."""
    seen: set[str] = set()
    kept: list[WorldCall] = []
    for call in calls:
        key = call_key(call.tool, call.arguments)
        if times.get(key, 0) < 2 or key not in seen:
            kept.append(call)
        seen.add(key)
    return tuple(kept)


def _named(calls: Sequence[WorldCall]) -> str:
    names = [call.tool for call in calls]
    return (" -> ".join(names[:6]) + (" -> …" if len(names) > 6 else "")) or "no tool"


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= _SAID else f"{said[: _SAID - 1]}…"


def _quoted(text: str) -> str:
    said = " ".join(text.split())
    if not said:
        return "nothing"
    return f"{said[:_SAID]!r}" + ("…" if len(said) > _SAID else "")


def _said_result(call: WorldCall) -> str:
    result = call.result
    if not isinstance(result, dict):
        return f"{call.tool} returns text"
    facts: list[str] = []
    for name, value in result.items():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list):
            facts.append(f"{len(value)} {name}")  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, bool) or (isinstance(value, int | float) and value < 1_000):
            facts.append(f"{name} {value}")
    return f"{call.tool} returns {', '.join(facts) or 'its fields'}"


def _field_words(result: Mapping[str, Any]) -> list[str]:
    return [word for name in result for word in re.findall(r"[a-z]{3,}", name.lower())]


def _sequence(output: Output, only: frozenset[str] | None = None) -> list[str]:
    keys = [shown.key for shown in output.values if only is None or shown.key in only]
    return list(dict.fromkeys(keys))


def _swapped(gold: Output, answer: Output) -> tuple[str, str] | None:
    """Two fields, each printed under the other's name."""
    printed = sorted({gold.own[key] for key in gold.keys if key in gold.own})
    labels = answer.labels()
    for i, first in enumerate(printed):
        for second in printed[i + 1 :]:
            only_first, only_second = stems(first) - stems(second), stems(second) - stems(first)
            a, b = labels.get(first, set()), labels.get(second, set())
            if a & only_second and b & only_first and not a & only_first and not b & only_second:
                return first, second
    return None


def _said_again(gold: Output, answer: Output) -> str:
    """A field with a value that the gold prints once, and the answer several times; empty when there is none."""
    once = {key for key, times in Counter(shown.key for shown in gold.values).items() if times == 1}
    often = [key for key, times in Counter(shown.key for shown in answer.values).items() if times > 1]
    return next((gold.own[key] for key in often if key in once and key in gold.own), "")


def _torn(gold: Output, answer: Output) -> bool:
    """Whether fields of one entry, printed together by the gold, are in another order among themselves."""
    fields = sorted({gold.own[key] for key in gold.keys if key in gold.own})
    for i, first in enumerate(fields):
        for second in fields[i + 1 :]:
            one, other = gold.order(first), gold.order(second)
            if len(one) > 1 and one == other and answer.order(first) != answer.order(second):
                return True
    return False


def _words_of(gold: Output, answer: Output, where: str, known: frozenset[str]) -> list[str]:
    """Words such as `error` and `warning` that results hold: as often, and with the same values."""
    wanted, got = _word_lines(gold, known), _word_lines(answer, known)
    if not wanted:
        return []
    need, have = Counter(word for word, _ in wanted), Counter(word for word, _ in got)
    if need - have:
        word = next(iter(need - have))
        return [f"it does not print {word} as often as it is right, {where}"]
    apart = [word for word, keys in wanted if keys and not any(w == word and keys <= k for w, k in got)]
    # Words and values on lines of their own belong together when both come in the gold's order.
    same_order = [word for word, _ in wanted] == [word for word, _ in got]
    if apart and not (same_order and _sequence(gold) == _sequence(answer, gold.keys)):
        return [f"it prints {apart[0]} with other values, {where}"]
    return []


def _result_words(run: WorldRun) -> frozenset[str]:
    found: set[str] = set()
    for call in run.calls:
        stack: list[Any] = [call.result]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack += value.values()  # pyright: ignore[reportUnknownArgumentType]
            elif isinstance(value, list):
                stack += value  # pyright: ignore[reportUnknownArgumentType]
            elif isinstance(value, str) and value.isalpha() and value.islower():
                found.add(value)
    return frozenset(found)


def _word_lines(output: Output, known: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    found: list[tuple[str, frozenset[str]]] = []
    for line, tokens in zip(output.text.splitlines(), output.lines):
        keys = frozenset(key for kind, key in tokens if kind == "value")
        found += [(word, keys) for word in re.findall(r"[a-z]+", line.lower()) if word in known]
    return found
