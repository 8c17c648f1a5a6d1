"""Every dialect of tool calls: read, written, read back equal, and which faults are told.

    python benchmarks/chat_dialects.py [--rows 2000] [--seed 8]

For each dialect `--rows` messages with random calls are written and read back, in any dialect and strictly. Then each is
cut, doubled, put into itself, quoted as Python quotes, or loses a character. Of the messages cut in the second half of
their only call, `told` is the share in which a fault is named; `words` those that are taken for words, before the call
can be told from them; `whole` those in which the call is complete all the same, because only a mark after it is lost.
`another` counts strict readings of a cut or nested message that give a whole call which was never written. Nothing may
be raised but CallSyntaxError.

A second table counts the calls of one file a dialect as `inv sql`, the audit, `data.merge` and scoring see them. A
third merges 2,000 broken rows a dialect and counts those that come out as they were.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tunewright.audit.audited import audit_dataset
from tunewright.audit.sql import run_query
from tunewright.chat.calls import DIALECTS, CallSyntaxError, find, write
from tunewright.chat.calls.found import Call
from tunewright.chat.calls.openai import read_message, tool_calls
from tunewright.chat.conversation import read_conversation
from tunewright.chat.merge import merge_datasets
from tunewright.chat.message import called_by
from tunewright.contract.suite import Prediction
from tunewright.eval.answer_calls import read_answer

Pairs = list[tuple[str, dict[str, Any]]]
WORDS = (
    "", "Oslo", "it's", 'so "quoted"', "two\nlines", "  spaced  ", "3", "true", "null", "{}", "[1, 2]", "a\\b", "漢字",
    "é", "<b>bold</b>", "x < y && y > z", "`code`", "a, b: c", "# no comment", "\t", "C:\\temp", "🎉", "%s {0}",
)  # fmt: skip


def value(random: Random, depth: int = 0) -> Any:
    kind = random.randrange(8 if depth < 2 else 6)
    if kind < 2:
        return " ".join(random.choices(WORDS, k=random.randint(1, 3)))
    if kind < 6:
        return random.choice([random.randint(-(10**12), 10**12), random.random() * 100, True, False, None])
    if kind == 6:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    return {f"key_{n}": value(random, depth + 1) for n in range(random.randrange(4))}


def calls(random: Random) -> Pairs:
    names = random.sample(("get_weather", "search_code", "read_file", "run_tests"), random.randint(1, 3))
    return [(name, {f"arg_{n}": value(random) for n in range(random.randrange(4))}) for name in names]


def schemas(listed: Pairs) -> dict[str, Any]:
    return {
        name: {
            "properties": {
                key: {"type": "string"} if isinstance(v, str) else {} for key, v in arguments.items()
            }
        }
        for name, arguments in listed
    }


def pairs(found: Any) -> Pairs:
    return [(call.name, call.arguments) for call in found.calls]


def damaged(text: str, random: Random) -> Iterator[tuple[str, str]]:
    """The ways in which a message is broken, and the broken message."""
    at, to = random.randrange(len(text)), random.randrange(len(text) + 1)
    yield "cut", text[:at]
    yield "doubled", text[:at] + text[min(at, to) : max(at, to)] + text[at:]
    yield "nested", text[:at] + text + text[at:]
    yield "quoted", text.replace('"', "'")
    yield "lost", text[:at] + text[at + 1 :]


@dataclass
class Result:
    """What came out for one dialect."""

    read: int = 0
    written: int = 0
    equal: int = 0
    refused: int = 0
    broken: int = 0
    raised: int = 0
    cut: int = 0
    told: int = 0
    words: int = 0
    whole: int = 0
    another: int = 0


def measure(dialect: str, rows: int, seed: int) -> Result:
    random = Random(f"{seed}/{dialect}")
    result = Result()
    for _ in range(rows):
        listed = calls(random)
        types = schemas(listed)
        try:
            text = write(listed, dialect)
        except CallSyntaxError:
            result.refused += 1
            continue
        result.written += 1
        before = random.choice(["", "Let me look.\n\n", "<think>\nHm.\n</think>\n\n"])
        found = find(before + text, tools=types)
        result.read += found.syntaxes == (dialect,)
        with suppress(CallSyntaxError):
            result.equal += pairs(found) == pairs(find(before + text, strict=True, tools=types)) == listed
        one = write(listed[:1], dialect)
        torn = find(one[: random.randrange(len(one) // 2, len(one) - 1)], tools=types)
        result.cut += 1
        fault = bool(torn.problems) or any(call.error for call in torn.calls)
        result.told += fault
        result.words += not fault and not torn.calls
        result.whole += not fault and pairs(torn) == listed[:1]
        for kind, broken in damaged(before + text, random):
            result.broken += 1
            for tools in (types, None):
                try:
                    find(broken, tools=tools)
                    strict = pairs(find(broken, strict=True, tools=tools))
                except CallSyntaxError:
                    continue
                except Exception as error:  # noqa: BLE001  # whatever it is, it must not happen
                    result.raised += 1
                    print(f"{dialect}: {type(error).__name__}: {error}: {broken[:200]!r}", file=sys.stderr)
                    continue
                if tools and kind in ("cut", "nested") and any(call not in listed for call in strict):
                    result.another += 1
    return result


def measure_data(rows: int, seed: int) -> Result:
    """OpenAI's calls are data: they are written and read as a message's `tool_calls`."""
    random = Random(f"{seed}/openai")
    result = Result()
    for _ in range(rows):
        listed = [Call(*call) for call in calls(random)]
        message = {"role": "assistant", "content": "", "tool_calls": tool_calls(listed)}
        result.written += 1
        read = [(call.name, call.arguments) for call in read_message(message)]
        result.read += len(read) == len(listed)
        result.equal += read == [(call.name, call.arguments) for call in listed]
        torn = tool_calls(listed[:1])
        torn[0]["function"]["arguments"] = torn[0]["function"]["arguments"][:-1]
        result.cut += 1
        try:
            read_message({"tool_calls": torn})
        except CallSyntaxError:
            result.told += 1
    return result


COUNTED = 40  # rows a dialect


def count_calls(dialect: str, folder: Path) -> dict[str, int]:
    """How many calls each part of the product sees in a file whose answers write them in the dialect."""
    random = Random(dialect)
    rows: list[dict[str, Any]] = []
    for number in range(COUNTED):
        pairs = [
            (random.choice(("find_city", "convert")), {"city": f"Oslo {number}", "days": number + extra})
            for extra in range(1 + number % 2)
        ]
        answer: dict[str, Any] = {"role": "assistant", "content": ""}
        if dialect == "openai":
            answer["tool_calls"] = tool_calls([Call(*pair) for pair in pairs])
        else:
            answer["content"] = write(pairs, dialect)
        rows.append({"messages": [{"role": "user", "content": f"Question number {number}?"}, answer]})
    path = folder / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    merge_datasets([path], folder / "out", valid=0, balance="none")
    merged = [
        json.loads(line) for line in (folder / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    scored = 0
    for row in rows:
        answer = row["messages"][-1]
        native = tuple(call["function"] for call in answer.get("tool_calls", ()))
        read = read_answer(Prediction(case="c", text=answer["content"], tool_calls=native), {})
        # Scoring sees a program as one call of the tool that runs it; what it calls is the sandbox's matter.
        scored += (
            len(find(answer["content"]).calls) if dialect == "code_mode" and read.calls else len(read.calls)
        )
    return {
        "written": sum(1 + number % 2 for number in range(COUNTED)),
        "sql": json.loads(run_query("SELECT count(*) AS n FROM calls", [path], None, "json"))[0]["n"],
        "audit": audit_dataset([path]).understood.kinds["calls"].read,
        "merge": sum(len(called_by(m)) for row in merged for m in read_conversation(row).plain),
        "scoring": scored,
    }


def counted_alike() -> bool:
    """Print how many calls each part sees in every dialect; say whether all see those that were written."""
    alike = True
    print(f"\n{'dialect':19} | written |   sql | audit | merge | scoring")
    for dialect in DIALECTS:
        with tempfile.TemporaryDirectory() as name:
            counts = count_calls(dialect, Path(name))
        same = len(set(counts.values())) == 1
        alike &= same
        row = (
            f"{counts['written']:>7} | {counts['sql']:>5} | {counts['audit']:>5} | {counts['merge']:>5} | "
            f"{counts['scoring']:>7}"
        )
        print(f"{dialect:19} | {row}{'' if same else '  <- differs'}", flush=True)
    return alike


FUZZED = 2_000  # broken rows a dialect


def writers_keep() -> bool:
    """Merge broken messages of every dialect; print how many rows come out, and say whether all do, unchanged."""
    kept_all = True
    print(f"\n{'dialect':19} | broken rows | kept as they were")
    for dialect in DIALECTS:
        if dialect == "openai":
            continue
        random = Random(dialect)
        rows: dict[str, dict[str, Any]] = {}
        while len(rows) < FUZZED:
            with suppress(CallSyntaxError):
                for _, text in damaged(write(calls(random), dialect), random):
                    asked = {"role": "user", "content": f"Question {len(rows)}?"}
                    row = {"messages": [asked, {"role": "assistant", "content": text}], "own": len(rows)}
                    rows[json.dumps(row, sort_keys=True)] = row
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "train.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")
            merge_datasets([path], Path(name) / "out", valid=0, balance="none")
            written = (Path(name) / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        out = {json.dumps(json.loads(line), sort_keys=True) for line in written}
        kept = len(out & rows.keys())
        kept_all &= kept == len(rows) == len(out)
        print(
            f"{dialect:19} | {len(rows):>11,} | {kept:>17,}{'' if kept == len(rows) else '  <- lost or changed'}",
            flush=True,
        )
    return kept_all


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000, help="messages a dialect")
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    print(f"{options.rows} messages a dialect, and each broken in five ways")
    heads = ("read", "written", "read back equal", "refused", "broken", "raised", "told", "words", "whole")
    print(" | ".join((f"{'dialect':19}", *heads, "another", "seconds")))
    bad = 0
    for dialect in DIALECTS:
        begun = time.process_time()
        result = (
            measure_data(options.rows, options.seed)
            if dialect == "openai"
            else measure(dialect, options.rows, options.seed)
        )
        shares = [f"{n / max(result.cut, 1):.1%}" for n in (result.told, result.words, result.whole)]
        counts = (result.read, result.written, result.equal, result.refused, result.broken, result.raised)
        cells = (*counts, *shares, result.another, f"{time.process_time() - begun:.0f}")
        row = " | ".join(f"{cell:>{len(head)}}" for cell, head in zip(cells, (*heads, "another", "seconds")))
        print(f"{dialect:19} | {row}", flush=True)
        bad += (
            result.raised
            + result.another
            + (result.equal != result.written)
            + (result.read != result.written)
        )
    return 0 if all([not bad, counted_alike(), writers_keep()]) else 1


if __name__ == "__main__":
    sys.exit(main())
