"""Goes once through an assistant message and has each dialect read the calls that begin with its marks."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache, lru_cache

import tunewright.chat.calls.code_mode as code_mode
import tunewright.chat.calls.harmony as harmony
from tunewright.chat.calls.dialects import DIALECTS, Dialect, part
from tunewright.chat.calls.found import Block, CallSyntaxError, FoundTurn
from tunewright.chat.calls.marks import JSON_DIALECTS, NESTED, THOUGHTS, Plan, expression, marks_in, plan_of
from tunewright.chat.calls.text import Text

MOST_FAULTS = 100  # in one message; after that nothing more is read, which bounds the time that faults take

_NESTING = ("tool_call", "function", "parameter")
_TAG = re.compile(r"</?(?:tool_call|function|parameter)\b[^<>\n]*>")
_CONTROL = re.compile(r"<\|(?:end|return|call|eot|eot_id|eom_id|im_end|START_RESPONSE|END_RESPONSE)\|>")
_LAST_FENCE = re.compile(r"(?:\A|\n)[ \t]*```\w*[ \t]*\n?\s*\Z")

_ALL = tuple(DIALECTS)


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
    turn = _find(Text(text, strict, tools), plan_of(chosen))
    if strict:
        if chosen == ("code_mode",) or "code_mode" in turn.syntaxes:
            code_mode.parse_turn(text)
        for fault in (*(call.error for call in turn.calls), *(detail for _, detail in turn.problems)):
            if fault:
                raise CallSyntaxError(fault)
    return turn


def _find(text: Text, plan: Plan) -> FoundTurn:
    whole = text.text
    blocks: list[tuple[Dialect, Block]] = []
    turn = FoundTurn("")
    said: list[list[str]] = [[], []]  # before and after the first call
    thoughts: list[str] = []
    passed: list[tuple[int, int]] = []  # stretches in which tags are not calls
    at = begin = _thought_at_first(text, thoughts, passed)
    tokens = expression(*marks_in(whole, plan))
    json = True
    faults = 0
    while tokens is not None and (token := tokens.search(whole, at)):
        mark, start = token.group(), token.start()
        if (quoted := _quoted(whole, start, token.end())) > 0:
            passed.append((start, quoted))
            at = quoted
            continue
        if mark in THOUGHTS:
            end = text.find(THOUGHTS[mark], token.end())
            if end < 0:
                at = token.end()
                continue
            said[bool(blocks)].append(whole[begin:start])
            thoughts.append(whole[token.end() : end])
            at = begin = end + len(THOUGHTS[mark])
            passed.append((start, at))
            continue
        dialect, block = _read(text, token, plan, json)
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
            elif mark in plan.closings:
                turn.problems.append(("tags", f"{mark} closes nothing"))
                faults += 1
            elif kind is None and (text.strict or mark not in (*harmony.OPENINGS, "<tool_call>")):
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
    if plan.nested and "<" in whole:
        turn.problems += _tag_problems(tuple(_free_tags(whole, blocks, passed)))
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


def _read(text: Text, token: "re.Match[str]", plan: Plan, json: bool) -> tuple[Dialect | None, Block | None]:
    """What begins at a token. A block without calls is text that is known to hold none."""
    start = token.start()
    if token.lastgroup is None:
        for dialect in plan.openings.get(token.group(), ()):
            if (block := dialect.read(text, start)) is not None:
                return dialect, block
        return None, None
    passed: tuple[Dialect | None, Block | None] = None, None
    for dialect, pattern in plan.unmarked:
        if (token.lastgroup == "json") != (dialect.NAME in JSON_DIALECTS):
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
) -> Iterator[str]:
    """Tags of calls that are neither spoken of nor part of a dialect with other tags of these names."""
    if not passed and "`" not in whole and all(dialect.NAME in NESTED for dialect, _ in blocks):
        yield from _TAG.findall(whole)
        return
    other = [(b.start, b.end) for dialect, b in blocks if dialect.NAME not in NESTED]
    spans = iter(sorted([*other, *passed]))
    span = next(spans, None)
    for tag in _TAG.finditer(whole):
        while span is not None and span[1] <= tag.start():
            span = next(spans, None)
        if (span is None or tag.start() < span[0]) and not _quoted(whole, tag.start(), tag.end()):
            yield tag.group()


@lru_cache(1000)
def _tag_problems(tags: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The first tag that does not nest as tool_call > function > parameter, each inside the one before and closed."""
    open_tags: list[str] = []
    for written in tags:
        name = next(name for name in _NESTING if name in written[: len(name) + 2])
        if written[1] == "/":
            if name not in open_tags:
                return (("tags", f"{written} closes nothing"),)
            if open_tags[-1] != name:
                return (("tags", f"<{open_tags[-1]}> is not closed before {written}"),)
            open_tags.pop()
        elif name in open_tags:
            return (("double_wrap", f"{written} inside another <{name}>"),)
        elif name == "parameter" and (not open_tags or open_tags[-1] != "function"):
            return (("tags", f"{written} outside a <function>"),)
        else:
            open_tags.append(name)
    return (("tags", f"<{open_tags[-1]}> is never closed"),) if open_tags else ()


@cache
def _tags(dialect: str) -> "re.Pattern[str] | None":
    tags = part(DIALECTS[dialect], "TAGS")
    return re.compile(f"({tags})") if tags else None


def _spacing(whole: str, dialect: Dialect, block: Block) -> str:
    """A block's tags with the whitespace that touches them; what is between them is left out."""
    pattern = _tags(dialect.NAME)
    if pattern is None:
        return ""
    parts = pattern.split(whole[block.start : block.end])[1:-1]
    for number, piece in enumerate(parts):
        if number % 2:
            parts[number] = _edges(piece)
        elif "=" in piece:
            parts[number] = f"{piece.partition('=')[0]}=…>"
    return "".join(parts)


def _edges(text: str) -> str:
    if not text or text.isspace():
        return text
    # Only the first character of indentation is the wrapping's own; the rest belongs to what is wrapped.
    return f"{text[0] if text[0].isspace() else ''}…{text[-1] if text[-1].isspace() else ''}"
