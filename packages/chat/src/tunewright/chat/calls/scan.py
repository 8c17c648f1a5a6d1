"""Goes once through an assistant message and has each dialect read the calls that begin with its marks."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain

from tunewright.chat.calls import code_mode, harmony
from tunewright.chat.calls.found import Block, CallSyntaxError, FoundTurn
from tunewright.chat.calls.registry import DIALECTS, Dialect, part
from tunewright.chat.calls.text import Text

MOST_FAULTS = 100  # in one message; after that nothing more is read, which bounds the time that faults take

_TAG = re.compile(r"<(/?)(tool_call|function|parameter)\b[^<>\n]*>")
_NESTED = ("code_mode", "qwen_xml", "function_tag", "hermes_json", "python_in_tool_call", "glm45")
_THOUGHTS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "[THINK]": "[/THINK]",
    "<|START_THINKING|>": "<|END_THINKING|>",
}
_FENCE = r"(?m:^)[ \t]*```[^\n`]*\n"
_JSON = r'(?m:^)[ \t]*(?:```\w*[ \t]*\n\s{0,9})?[\[{][\s\[{]{0,20}"'
_BEGINNING = re.compile(r"<[^<\[]{2}|\[/?T", re.DOTALL)
_JSON_DIALECTS = ("json", "llama_json")
_CONTROL = re.compile(r"<\|(?:end|return|call|eot|eot_id|eom_id|im_end|START_RESPONSE|END_RESPONSE)\|>")
_LAST_FENCE = re.compile(r"(?:\A|\n)[ \t]*```\w*[ \t]*\n?\s*\Z")

_ALL = tuple(DIALECTS)

# Matches every text in which `find` finds a call or a fault: what SQL asks before anything is read in Python (RE2).
MARKER = (
    "|".join(
        dict.fromkeys(
            chain.from_iterable(
                (
                    *map(re.escape, dialect.OPENINGS),
                    *map(re.escape, part(dialect, "CLOSINGS") or ()),
                    *filter(None, [part(dialect, "PATTERN")]),
                )
                for dialect in DIALECTS.values()
            )
        )
    )
    + r"|</?tool_call>|</?function\b|</?parameter\b"
)


def find(
    text: str,
    *,
    strict: bool = False,
    dialects: Sequence[str] | None = None,
    tools: Collection[str] | None = None,
) -> FoundTurn:
    """The calls of one assistant message, in any dialect or in those named.

    Never raises by itself: what is wrong becomes a problem or a call's error. `strict` raises CallSyntaxError for
    anything that is not a whole, well-formed call. `tools` are the names offered, perhaps with each tool's JSON Schema:
    JSON or Python without a mark is a call only of one of these, and a schema gives untyped parameters their type.
    """
    chosen = _ALL if dialects is None else tuple(dialects)
    turn = _find(Text(text, strict, tools), chosen)
    if strict:
        if chosen == ("code_mode",) or "code_mode" in turn.syntaxes:
            code_mode.parse_turn(text)
        for fault in (*(call.error for call in turn.calls), *(detail for _, detail in turn.problems)):
            if fault:
                raise CallSyntaxError(fault)
    return turn


def _find(text: Text, chosen: tuple[str, ...]) -> FoundTurn:
    whole = text.text
    blocks: list[tuple[Dialect, Block]] = []
    turn = FoundTurn("")
    said: list[list[str]] = [[], []]  # before and after the first call
    thoughts: list[str] = []
    passed: list[tuple[int, int]] = []  # stretches in which tags are no calls
    at = begin = _thought_at_first(text, thoughts, passed)
    tokens = _tokens(*_present(whole, chosen))
    json = True
    faults = 0
    while tokens is not None and (token := tokens.search(whole, at)):
        mark, start = token.group(), token.start()
        if (quoted := _quoted(whole, start, token.end())) > 0:
            passed.append((start, quoted))
            at = quoted
            continue
        if mark in _THOUGHTS:
            end = text.find(_THOUGHTS[mark], token.end())
            if end < 0:
                at = token.end()
                continue
            said[bool(blocks)].append(whole[begin:start])
            thoughts.append(whole[token.end() : end])
            at = begin = end + len(_THOUGHTS[mark])
            passed.append((start, at))
            continue
        dialect, block = _read(text, token, chosen, json)
        if block is None or dialect is None:
            kind = token.lastgroup
            at = token.end()
            if kind == "json":
                json = False  # what is torn may hold anything; its parts are not calls of their own
            elif kind == "fence":
                at = _past_fence(text, token)
                if at > token.end():
                    passed.append((start, at))
            elif header := harmony.HEADER.match(whole, start) if mark in harmony.OPENINGS else None:
                said[bool(blocks)].append(whole[begin:start])
                at = begin = header.end()
                if header.group(2) == "analysis":
                    end = text.stop(at, "<|end|>", "<|start|>")
                    thoughts.append(whole[at:end])
                    at = begin = end
            elif mark in _closings(chosen):
                turn.problems.append(("tags", f"{mark} closes nothing"))
                faults += 1
            elif text.strict and kind is None:
                turn.problems.append(("tags", f"{mark} begins no call that can be read"))
        elif not block.calls and not block.problems:
            passed.append((start, block.end))
            at = max(block.end, token.end())
        else:
            before = whole[begin:start]
            while dialect.OPENINGS and before.rstrip().endswith(mark):  # doubled
                before = before.rstrip().removesuffix(mark)
            said[bool(blocks)].append(before)
            blocks.append((dialect, block))
            at = begin = max(block.end, token.end())
            faults += sum(1 for call in block.calls if call.error) + len(block.problems)
        if faults > MOST_FAULTS:
            turn.problems.append(("tags", f"more than {MOST_FAULTS} faults: the rest is not read"))
            break
    said[bool(blocks)].append(whole[begin:])
    turn.preamble, turn.after = (_words("".join(part)) for part in said)
    turn.reasoning = "\n\n".join(thought.strip() for thought in thoughts)
    turn.calls = [call for _, block in blocks for call in block.calls]
    turn.problems += [problem for _, block in blocks for problem in block.problems]
    if "<" in whole and any(name in chosen for name in _NESTED):
        turn.problems += _tag_problems(_free_tags(whole, blocks, passed))
    turn.syntaxes = tuple(sorted({call.syntax for call in turn.calls}))
    turn.dialect = "".join(dict.fromkeys(_spacing(whole, dialect, block) for dialect, block in blocks))
    return turn


def _thought_at_first(text: Text, thoughts: list[str], passed: list[tuple[int, int]]) -> int:
    """The place after thoughts that only end: their opening tag belongs to the prompt."""
    end = text.text.find("</think>")
    if end < 0 or 0 <= text.text.find("<think>") < end or _quoted(text.text, end, end + len("</think>")):
        return 0
    thoughts.append(text.text[:end])
    passed.append((0, end + len("</think>")))
    return end + len("</think>")


@cache
def _openings(chosen: tuple[str, ...]) -> dict[str, tuple[Dialect, ...]]:
    found: dict[str, tuple[Dialect, ...]] = {}
    for name in chosen:
        for opening in DIALECTS[name].OPENINGS:
            found[opening] = (*found.get(opening, ()), DIALECTS[name])
    return found


@cache
def _closings(chosen: tuple[str, ...]) -> frozenset[str]:
    return frozenset(chain.from_iterable(part(DIALECTS[name], "CLOSINGS") or () for name in chosen))


@cache
def _unmarked(chosen: tuple[str, ...]) -> tuple[tuple[Dialect, "re.Pattern[str]"], ...]:
    """The dialects that write calls without a mark."""
    found = [DIALECTS[name] for name in chosen if part(DIALECTS[name], "PATTERN")]
    return tuple((each, re.compile(part(each, "PATTERN"))) for each in found)


@cache
def _hints(chosen: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What has to be in a text for a dialect without marks, and that dialect."""
    return tuple((hint, dialect.NAME) for dialect, _ in _unmarked(chosen) for hint in part(dialect, "HINTS"))


@cache
def _by_beginning(chosen: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """All marks by their beginning; by none where that is no bracket."""
    found: dict[str, tuple[str, ...]] = {}
    for mark in dict.fromkeys(chain(_openings(chosen), _closings(chosen), _THOUGHTS)):
        begins = _BEGINNING.match(mark)
        beginning = begins.group() if begins else ""
        found[beginning] = (*found.get(beginning, ()), mark)
    return found


def _present(whole: str, chosen: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The marks that are in a text, and the names of the dialects without marks that may be in it."""
    groups = _by_beginning(chosen)
    marks = [
        mark
        for beginning in {*_BEGINNING.findall(whole), ""}
        for mark in groups.get(beginning, ())
        if mark in whole
    ]
    names = dict.fromkeys(name for hint, name in _hints(chosen) if hint in whole)
    if "```" in whole and (marks or names):
        names["fence"] = None
    return tuple(sorted(marks)), tuple(names)


@lru_cache(500)
def _tokens(marks: tuple[str, ...], names: tuple[str, ...]) -> "re.Pattern[str] | None":
    """One expression for all that may begin something."""
    parts: list[str] = []
    for name in names:
        if name in _JSON_DIALECTS:
            parts = [_group("json", _JSON), *(each for each in parts if "(?P<json>" not in each)]
        elif name != "fence":
            parts.append(_group(name, part(DIALECTS[name], "PATTERN")))
    if "fence" in names:
        parts.append(_group("fence", _FENCE))
    parts += [re.escape(mark) for mark in sorted(marks, key=len, reverse=True)]
    return re.compile("|".join(parts)) if parts else None


def _group(name: str, pattern: str) -> str:
    return f"(?P<{name}>{pattern})"


def _read(
    text: Text, token: "re.Match[str]", chosen: tuple[str, ...], json: bool
) -> tuple[Dialect | None, Block | None]:
    """What begins at a token. A block without calls is text that is known to hold none."""
    start = token.start()
    if token.lastgroup is None:
        for dialect in _openings(chosen).get(token.group(), ()):
            if (block := dialect.read(text, start)) is not None:
                return dialect, block
        return None, None
    passed: tuple[Dialect | None, Block | None] = None, None
    for dialect, pattern in _unmarked(chosen):
        if (token.lastgroup == "json") != (dialect.NAME in _JSON_DIALECTS):
            continue
        if not json if token.lastgroup == "json" else not pattern.match(text.text, start):
            continue
        block = dialect.read(text, start)
        if block is not None and (block.calls or block.problems):
            return dialect, block
        passed = (dialect, block) if block is not None else passed
    return passed


def _quoted(whole: str, start: int, end: int) -> int:
    """The end of what is between backticks, where a tag is spoken of and opens nothing; 0 where it is not."""
    if whole[start - 1 : start] != "`" or whole[start - 2 : start - 1] == "`":
        return 0
    line = whole.find("\n", end)
    return whole.find("`", end, line if line >= 0 else len(whole)) + 1


def _past_fence(text: Text, fence: "re.Match[str]") -> int:
    """The end of a fenced block of code that is shown; the place after the fence's first line where it may be a call.

    A block that ends the message may be: some models fence their calls.
    """
    end = text.find("\n```", fence.end() - 1)
    if end < 0:
        return fence.end()
    return fence.end() if text.ends(end + 4) else end + 4


def _words(said: str) -> str:
    said = _LAST_FENCE.sub("", said) if "```" in said else said
    return (_CONTROL.sub("", said) if "<|" in said else said).strip()


def _free_tags(
    whole: str, blocks: Sequence[tuple[Dialect, Block]], passed: Sequence[tuple[int, int]]
) -> Iterator["re.Match[str]"]:
    """Tags of calls that are neither spoken of nor part of a dialect with other tags of these names."""
    other = [(b.start, b.end) for dialect, b in blocks if dialect.NAME not in _NESTED]
    spans = iter(sorted([*other, *passed]))
    span = next(spans, None)
    for tag in _TAG.finditer(whole):
        while span is not None and span[1] <= tag.start():
            span = next(spans, None)
        if (span is None or tag.start() < span[0]) and not _quoted(whole, tag.start(), tag.end()):
            yield tag


def _tag_problems(tags: Iterable["re.Match[str]"]) -> Iterator[tuple[str, str]]:
    """Tags that do not nest as tool_call > function > parameter, each inside the one before and closed."""
    open_tags: list[str] = []
    for tag in tags:
        written = tag.group()
        slash, name = tag.groups()
        if slash:
            if name not in open_tags:
                yield "tags", f"{written} closes nothing"
                return
            if open_tags[-1] != name:
                yield "tags", f"<{open_tags[-1]}> is not closed before {written}"
                return
            open_tags.pop()
        elif name in open_tags:
            yield "double_wrap", f"{written} inside another <{name}>"
            return
        elif name == "parameter" and (not open_tags or open_tags[-1] != "function"):
            yield "tags", f"{written} outside a <function>"
            return
        else:
            open_tags.append(name)
    if open_tags:
        yield "tags", f"<{open_tags[-1]}> is never closed"


@cache
def _tags(dialect: str) -> "re.Pattern[str] | None":
    tags = part(DIALECTS[dialect], "TAGS")
    return re.compile(tags) if tags else None


def _spacing(whole: str, dialect: Dialect, block: Block) -> str:
    """A block's tags with the whitespace that touches them; what stands between is left out."""
    pattern = _tags(dialect.NAME)
    parts: list[str] = []
    end = block.start
    for tag in pattern.finditer(whole, block.start, block.end) if pattern else ():
        if parts:
            parts.append(_edges(whole[end : tag.start()]))
        name, equals, _ = tag.group().partition("=")
        parts.append(f"{name}=…>" if equals else name)
        end = tag.end()
    return "".join(parts)


def _edges(text: str) -> str:
    if not text.strip():
        return text
    head = text[: len(text) - len(text.lstrip())]
    tail = text[len(text.rstrip()) :]
    # Only the first character of indentation is the wrapping's own; the rest belongs to what is wrapped.
    return f"{head[:1]}…{tail[-1:]}"
