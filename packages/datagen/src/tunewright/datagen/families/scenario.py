"""One kind of request: its wordings, the program that does it, and how its output becomes an answer."""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from string import Template
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tunewright.datagen.families.fields import in_words

Kind = Literal[
    "discrimination", "one_call", "field_access", "conditional", "iteration", "workflow", "failure"
]
# How often each kind of work is shown, where a tool has it.
FAMILY_WEIGHTS: Mapping[str, int] = {
    "discrimination": 4,
    "one_call": 3,
    "field_access": 6,
    "iteration": 6,
    "conditional": 4,
    "workflow": 5,
    "failure": 2,
}
Site = Literal[
    "symbol",
    "file",
    "short_file",
    "folder",
    "missing_file",
    "lint_file",
    "type_file",
    "test_file",
    "text",
    "new_file",
    "new_module",
    "command",
    "failing_command",
    "any_command",
    "command_file",
    "listing_command",
    "maybe_slow_command",
    "file+command",
    "file+other",
    "file+copy",
    "test_file+command",
    "test_file+other",
    "query",
    "changed_file",
    "maybe_changed_file",
    "nowhere",
    "absent_symbol",
    "maybe_symbol",
    "maybe_query",
    "unique_query",
    "symbol_in_file",
    "maybe_outside",
    "definition",
    "call",
    "unique_function",
    "slow_command",
    "prefix",
    "maybe_prefix",
    "maybe_member",
]

# Ways to say where a symbol is; `{at}` in a wording becomes one of them.
PLACES = (
    *("{file}:{line}", "{file}, line {line}", "line {line} of {file}", "{file} line {line}"),
    *("line {line} in {file}", "{file} on line {line}"),
)
MAX_LISTED = 4  # items of a list that an answer repeats


Texts = Annotated[tuple[str, ...], Field(min_length=1)]
# What each site fills; every request may also speak of a number: limit, count, minutes.
NUMBERS = frozenset({"limit", "count", "minutes"})
_BASE_SLOTS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("symbol", "absent_symbol", "maybe_symbol", "definition", "call"),
        frozenset({"symbol", "file", "line", "at", "source"}),
    ),
    **dict.fromkeys(("prefix", "maybe_prefix"), frozenset({"prefix", "file", "line", "at", "source"})),
    "maybe_member": frozenset({"prefix", "member", "file", "line", "at", "source"}),
    **dict.fromkeys(("text",), frozenset({"text", "path"})),
    **dict.fromkeys(("new_file", "new_module", "maybe_outside"), frozenset({"path", "content"})),
    **dict.fromkeys(
        (
            *("command", "failing_command", "any_command"),
            *("listing_command", "slow_command", "maybe_slow_command"),
        ),
        frozenset({"command"}),
    ),
    "command_file": frozenset({"command", "path"}),
    **dict.fromkeys(("query", "maybe_query", "unique_query", "unique_function"), frozenset({"query"})),
    "symbol_in_file": frozenset({"query", "path"}),
    "nowhere": frozenset[str](),
}


def slots_of(site: Site) -> frozenset[str]:
    """The slots that a site fills, the numbers included."""
    base, _, more = site.partition("+")
    return _BASE_SLOTS.get(base, frozenset({"path"})) | NUMBERS | ({more} if more else set())


# What an answer may say of the output, besides its words.
_OUTPUT_SLOTS = frozenset(
    {"out", "quoted", "n", "files", "items", "rest", "all", "list", "shown", "rest_shown"}
)


class Scenario(BaseModel):
    """A family as its TOML file writes it: `requests` fill `{slots}`, `program` fills `$slots` with Python literals
    (`$$` is a dollar).

    An answer may use the request's slots and of the output `{out}` (all of it), `{out1}`, `{out2}` … (its words),
    `{n}` (its lines), `{files}` (how many different files they begin with), `{items}` (its lines in a row), `{quoted}`
    (each of them in backticks) and `{rest}` (all lines but the first). Those leave out what is beyond four lines;
    `{all}` (in a row), `{list}` (after a colon; several below each other, with dashes) and `{shown}` (a line in
    backticks, several after a colon and in a fence) have every line, and `{rest_shown}` every line but the first.
    `row` is how `{items}`, `{all}` and `{list}` say a line: `{out1}`, `{out2}` … are its words there, and `{after1}`
    is what follows the first. `when` has the answers to outputs that are words, such as yes or unused; `nothing`
    has those to an empty output.

    A follow-up is asked `after` the answer of one of the families named, when the regular expression `found` matches the
    beginning of what that one printed. Its slots are the groups of `found`, those that it `keeps` of the request before,
    and `before`, all that was printed. It refers to them, so its requests need not name them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")]
    kind: Kind
    tools: Texts  # all that are called, in order
    needs: Site = "nowhere"
    requests: Texts
    program: str
    answers: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()
    row: str = ""
    when: Mapping[str, Texts] = {}
    volatile: bool = False  # prints what differs from run to run, so that its response cannot be shown
    printed_whole: bool = False  # prints whole files, so that its response is too long to be shown
    # Names of families; `references.*` is all whose names begin with `references.`.
    after: tuple[str, ...] = ()
    found: str = ""
    keeps: tuple[str, ...] = ()

    @field_validator("tools", "requests", "answers", "nothing", "after", "keeps", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value  # TOML has arrays only

    @field_validator("when", mode="before")
    @classmethod
    def _tuples(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}

    @field_validator("found")
    @classmethod
    def _compiles(cls, found: str) -> str:
        try:
            re.compile(found)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from error
        return found

    @field_validator("program")
    @classmethod
    def _stripped(cls, program: str) -> str:
        return program.strip("\n")

    @model_validator(mode="after")
    def _fits_together(self) -> "Scenario":
        if not self.after and (self.found or self.keeps):
            raise ValueError(
                f"{'found' if self.found else 'keeps'}: only a follow-up has it, which needs after"
            )
        known = self.slots
        filled_by = "found or keeps" if self.after else f"needs = {self.needs!r}"
        used = [name.removeprefix("bare_") for name in Template(self.program).get_identifiers()]
        for name in used:
            if name not in known:
                raise ValueError(f"program: ${name} is not filled by {filled_by}")
        try:
            tree = ast.parse(self.fill_program(dict.fromkeys(known, "x")))
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"program: not Python ({error})") from error
        called = [
            n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        ]
        for tool in self.tools:
            if tool not in called:
                raise ValueError(f"program: does not call {tool}, which tools lists")
        for request in self.requests:
            said = {match.group(1) for match in _SLOT.finditer(request)}
            if unknown := said - known:
                raise ValueError(f"requests: {{{min(unknown)}}} is not filled by {filled_by}")
            missing = set(used) - said - ({"file", "line"} if "at" in said else set()) - self.known_before
            if missing:
                raise ValueError(
                    f"requests: {request!r} does not say {{{min(missing)}}}, which the program uses"
                )
        if not (self.answers or self.when):
            raise ValueError("answers: there is none, and no when")
        for key, texts in (("answers", self.answers), *(("when", texts) for texts in self.when.values())):
            _check_slots(key, texts, known | _OUTPUT_SLOTS)
        _check_slots("nothing", self.nothing, known, words=False)
        _check_slots("row", (self.row,), frozenset({"after1"}))
        return self

    @property
    def tool(self) -> str:
        """The first one called."""
        return self.tools[0]

    @property
    def known_before(self) -> frozenset[str]:
        """The slots that a follow-up takes from the request and the output before it."""
        if not self.after:
            return frozenset()
        return frozenset({"before", *self.keeps, *re.compile(self.found).groupindex})

    @property
    def uses_before(self) -> bool:
        """Whether its program is given all that was printed before."""
        return "before" in Template(self.program).get_identifiers()

    @property
    def slots(self) -> frozenset[str]:
        """All that its texts and its program may use."""
        return slots_of(self.needs) | self.known_before

    def follows(self, family: "Scenario") -> bool:
        """Whether it can come after that family."""
        return any(comes_after(family, name) for name in self.after)

    def take(self, slots: Mapping[str, str | int], stdout: str) -> dict[str, str | int] | None:
        """The slots taken from the request before, whose slots are given, and from its output; None where the output
        is not one to follow."""
        match = re.match(self.found, stdout)
        if match is None or None in match.groups():
            return None
        groups: dict[str, str | int] = match.groupdict()
        for name in (NUMBERS | {"line"}) & groups.keys():
            if not match[name].isdecimal():
                return None
            groups[name] = int(match[name])
        return {name: slots[name] for name in self.keeps} | groups | {"before": stdout}

    @property
    def shows_response(self) -> bool:
        """Whether an example may show what the program printed."""
        return not (self.volatile or self.printed_whole)

    def fill_program(self, slots: Mapping[str, str | int]) -> str:
        """The program with its slots as literals; `$bare_name` is the slot `name` without quotes."""
        literals = {key: literal(value) for key, value in slots.items()}
        bare = {f"bare_{key}": str(value) for key, value in slots.items()}
        return Template(self.program).substitute(literals | bare)

    def fill_answer(
        self,
        slots: Mapping[str, str | int],
        stdout: str,
        choose: Callable[[Sequence[str]], str] = lambda answers: answers[0],
    ) -> str:
        """The final answer: nothing in it that is neither in the request nor in the output. `choose` takes one of
        the answers that fit.

        Raises KeyError when a scenario has answers to certain outputs only, and this is another one.
        """
        lines = [line for line in stdout.splitlines() if line.strip()]
        if not lines:
            return ended(fill(choose(self.nothing), slots))
        out = "\n".join(lines)
        answer = choose(self.when.get(out, self.answers) if self.answers else self.when[out])
        rows = self.rows(stdout)
        files = {re.split(r"[:\s]", line, maxsplit=1)[0] for line in lines}
        more = {"n": len(lines), "files": len(files), "items": _row(rows), "rest": _row(lines[1:])}
        more |= {"all": in_words(rows), "list": _list(rows)}
        more |= {"shown": _shown(lines), "rest_shown": _shown(lines[1:])}
        quoted = _row([f"`{line}`" if "`" not in line else line for line in lines])
        return ended(fill(answer, {**_words(out), **slots, "out": out, "quoted": quoted, **more}))

    def rows(self, stdout: str) -> list[str]:
        """The lines of an output as an answer says them."""
        lines = [line for line in stdout.splitlines() if line.strip()]
        if not self.row:
            return lines
        return [fill(self.row, _words(line) | {"after1": line.partition(" ")[2]}) for line in lines]


def comes_after(family: Scenario, name: str) -> bool:
    """Whether a name in a follow-up's `after` means that family."""
    return family.name == name or (name.endswith(".*") and family.name.startswith(name[:-1]))


def _words(text: str) -> dict[str, str]:
    return {f"out{number}": word for number, word in enumerate(text.split(), start=1)}


def _list(rows: Sequence[str]) -> str:
    return f": {rows[0]}" if len(rows) == 1 else ":" + "".join(f"\n- {row}" for row in rows)


def _shown(lines: Sequence[str]) -> str:
    if not lines:
        return " nothing."
    if len(lines) == 1 and "`" not in lines[0]:
        return f" `{lines[0].strip()}`"
    return "\n".join([":", "```", *lines, "```"])


def _row(lines: Sequence[str]) -> str:
    if not lines:
        return "nothing"
    shown = ", ".join(lines[:MAX_LISTED])
    return shown + (f" and {len(lines) - MAX_LISTED} more" if len(lines) > MAX_LISTED else "")


def ended(text: str) -> str:
    """Without the full stop where a value's own ending makes one too many."""
    return text[:-1] if re.search(r"[.:;,!?]\.$", text) else text


def _check_slots(key: str, texts: Sequence[str], known: frozenset[str], *, words: bool = True) -> None:
    """Raises ValueError for a slot that nothing fills; with `words` an output's `{out1}`, `{out2}` … are filled too."""
    for text in texts:
        for name in (match.group(1) for match in _SLOT.finditer(text)):
            if name not in known and not (words and re.fullmatch(r"out[1-9]\d*", name)):
                raise ValueError(f"{key}: {{{name}}} is not filled here")
        if re.search(r"\{\w+:", _SLOT.sub("", text)):
            raise ValueError(f"{key}: {text!r} has a slot within a slot, or one that is not closed")


_SLOT = re.compile(r"\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}")


def fill(template: str, slots: Mapping[str, str | int]) -> str:
    """Replace `{name}` by its slot, and `{name:line|lines}` by the one word when the slot is 1 and by the other when not.

    All in one pass: a value's own braces stay what they are. Raises KeyError for a slot that is not there.
    """

    def filled(match: "re.Match[str]") -> str:
        value = str(slots[match.group(1)])
        if match.group(2) is None:
            return value
        return match.group(2) if value == "1" else match.group(3)

    return _SLOT.sub(filled, template)


def literal(value: str | int) -> str:
    """A Python literal, strings in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
