"""Would a colleague write the generated requests and answers, and can a reader tell them from hand-written ones?

    python benchmarks/blind_readings.py                                   the sheet's table
    python benchmarks/blind_readings.py --draw OUT [--now FOLDER] [--before FOLDER] [--kinds KIND ...]  draw texts to be read
    python benchmarks/blind_readings.py --join OUT READING READING        add two readings to the sheet

`--draw` writes `OUT/texts.jsonl` for the readers and `OUT/origins.json`, which they do not see. Drawn are 200 requests
and 200 answers of generated data (`now`; by default 720 rows of the default recipe are made), mixed with texts of data of an
earlier version (`before`) and with hand-written ones (`hand`: the suites' requests, and the right answers in words that they
hold). A request is a row's last one; an answer is what the assistant says in words after a program's output, shown with
both. A request after a program's output, in a conversation that goes on, is a `follow_up`, shown with what came before.
Each template is drawn once before any comes again. Folders and packages get other names in paths, the same few for
all: the suites' repositories are never those of training, and a reader who knows one would know the origin.

A reading is a JSONL file with a line for each text: `{"id": 7, "colleague": "yes", "origin": "hand"}`. `colleague` is `yes`
when a colleague would write that, as it is, to another one (request) or as the answer to that request and output; `origin`
is the reader's guess, `hand` or `made`. Readers do not know how many texts there are of each kind. `--join` adds a round to
the sheet, `blind_readings.jsonl`. Families are rewritten after a round, so that only the newest one measures. Each has a
seed of its own. Round 1 was read with the packages' own names: its guesses of the origin went by them.

Claimed: at least 90 % of the generated requests, and of the generated answers, read `yes` in both readings; `hand` is not
guessed more often for hand-written texts than for generated ones (95 % interval of the difference, Newcombe 1998).
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from tunewright.chat.calls import find
from tunewright.contract.intervals import wilson_interval
from tunewright.contract.recipe import load_recipe
from tunewright.datagen.generate import generate_dataset
from tunewright.eval.statistics import Proportion

ROOT = Path(__file__).resolve().parents[1]
SHEET = Path(__file__).with_suffix(".jsonl")
SEED = 20261129  # of the first round; each later one adds 1
KINDS = ("request", "answer", "follow_up")
SIZES = {"now": 200, "before": 50, "hand": 50}
LONGEST = 1_500  # characters of a program's output that a reader is shown
CALL = "<tool_call>"
# The first folder of a path to a file. What all projects have keeps its name.
TOP = re.compile(r"(?<![\w./-])(?:src/)?([A-Za-z_]\w*)/[\w./-]*\w\.\w+")
COMMON = set(
    re.findall(
        r"\w+",
        "app backup badge changes conf data doc docker docs examples extra lint logs meta notes old out play plugins "
        "reports requirements sandbox scratch scripts src templates test tests tmp tools",
    )
)
POOL = ("billing", "parsing", "storage", "webapp", "invoices", "client", "scheduler", "textkit")
CLAIMED = 0.90

Text = dict[str, Any]


def main() -> int:
    """Draw, join, or print the table; 1 when a claim is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draw", type=Path, metavar="OUT", help="write texts to be read")
    parser.add_argument("--now", type=Path, help="a dataset of this checkout")
    parser.add_argument("--before", type=Path, help="an earlier version's dataset")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of texts to draw")
    parser.add_argument("--join", nargs=3, type=Path, metavar=("OUT", "READING", "READING"))
    options = parser.parse_args()
    if options.draw:
        draw(options.draw, options.now, options.before, options.kinds)
        return 0
    if options.join:
        join(*options.join)
    rows, claims = rows_of(SHEET), True
    for number in range(1, newest(rows) + 1):
        print(f"round {number}")
        claims = table([row for row in rows if row["round"] == number])
    return 0 if claims else 1


def draw(out: Path, now: Path | None, before: Path | None, kinds: Sequence[str]) -> None:
    """Write the texts in a seeded order, and apart from them where each is from."""
    with tempfile.TemporaryDirectory() as scratch:
        if now is None:
            now = Path(scratch, "now")
            generate_dataset(load_recipe("smollm2", ROOT), now, root=ROOT)
        sets = {"now": list(said_in(now)), "hand": list(said_by_hand())}
        if before is not None:
            sets["before"] = list(said_in(before))
    random = Random(SEED + newest(rows_of(SHEET)))
    drawn: list[Text] = []
    for origin, texts in sets.items():
        for kind in kinds:
            once = {text["template"]: text for text in texts if text["kind"] == kind}
            pile = list(once.values())
            # Fewer templates than are wanted: then each may come again with other values.
            rest = [text for text in texts if text["kind"] == kind and text not in pile]
            random.shuffle(pile)
            random.shuffle(rest)
            drawn += [{**text, "origin": origin} for text in (pile + rest)[: SIZES[origin]]]
    random.shuffle(drawn)
    renamed = renaming(
        [value for texts in sets.values() for text in texts for value in text["shown"].values()]
    )
    for text in drawn:
        text["shown"] = {key: renamed(value) for key, value in text["shown"].items()}
    out.mkdir(parents=True, exist_ok=True)
    (out / "origins.json").write_text(json.dumps([text["origin"] for text in drawn]), encoding="utf-8")
    with (out / "texts.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(drawn):
            shown = {"id": number, "kind": text["kind"], **text["shown"]}
            file.write(json.dumps(shown, ensure_ascii=False) + "\n")
    print(f"{out}/texts.jsonl: {len(drawn)} texts to read")


def renaming(texts: Sequence[str]) -> Callable[[str], str]:
    """A function that gives the first folders of all paths in `texts`, wherever they are named, names of the pool."""
    tops = sorted({top for text in texts for top in TOP.findall(text)} - COMMON - set(POOL))
    names = {top: POOL[number % len(POOL)] for number, top in enumerate(tops)}
    # A package can be an English word (requests, click): alone it may be meant as one.
    found = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, tops))})(?=[/.]\w)")
    return lambda text: found.sub(lambda match: names[match[0]], text)


def said_in(folder: Path) -> Iterator[Text]:
    """The requests and answers of a generated dataset, one of each a row at most."""
    for split in ("train", "valid"):
        for row in rows_of(folder / f"{split}.jsonl"):
            template = row["meta"]["template"]
            yield from texts_of(row["messages"], template, row["meta"].get("scenario") or template)


def said_by_hand() -> Iterator[Text]:
    """The requests of the suites that judge, and the answers in words that they hold as right."""
    for path in sorted((ROOT / "suites").glob("*.jsonl")):
        if path.stem == "development":
            continue
        for case in rows_of(path):
            words = [gold for gold in case.get("gold", ()) if isinstance(gold, str) and CALL not in gold]
            answer = [{"role": "assistant", "content": words[0]}] if words else []
            yield from texts_of([*case["messages"], *answer], case["id"], case["id"])


def texts_of(messages: Sequence[dict[str, Any]], template: str, scenario: str) -> Iterator[Text]:
    """The last request that calls for a program, and the words after its output, where a conversation has them."""
    asked = [n for n, message in enumerate(messages) if message["role"] == "user"]
    if not asked:
        return
    request = str(messages[asked[-1]]["content"])
    if request.lstrip().startswith("<tool_response>"):
        return
    before = messages[: asked[-1]]
    if any(message["role"] == "tool" for message in before):
        shown = {"conversation": "\n".join(map(spoken, before)), "request": request}
        yield {"kind": "follow_up", "template": request, "shown": shown}
        return
    yield {"kind": "request", "template": template, "shown": {"request": request}}
    said, after = messages[-1], messages[-2] if len(messages) > 1 else {"role": ""}
    if said["role"] == "assistant" and after["role"] == "tool" and CALL not in str(said["content"]):
        shown = {"request": request, "output": str(after["content"])[:LONGEST], "answer": said["content"]}
        yield {"kind": "answer", "template": scenario, "shown": shown}


def spoken(message: dict[str, Any]) -> str:
    """A message as a reader is shown it; of a call the program."""
    calls = find(str(message["content"])).calls
    said = "\n".join(call.program or call.name or "" for call in calls) if calls else str(message["content"])
    return (
        f"[{'program' if calls else message['role']}] {said[:LONGEST]}" if message["role"] != "system" else ""
    )


def join(out: Path, first: Path, second: Path) -> None:
    """Add texts, origins and both readings to the sheet."""
    number = newest(rows_of(SHEET)) + 1
    origins = json.loads((out / "origins.json").read_text(encoding="utf-8"))
    readings = [{row["id"]: row for row in rows_of(path)} for path in (first, second)]
    with SHEET.open("a", encoding="utf-8") as sheet:
        for text in rows_of(out / "texts.jsonl"):
            read = [
                {
                    key: reading[text["id"]][key]
                    for key in ("colleague", "origin", "why")
                    if key in reading[text["id"]]
                }
                for reading in readings
            ]
            row = {"round": number, **text, "from": origins[text["id"]], "readings": read}
            sheet.write(json.dumps(row, ensure_ascii=False) + "\n")


def newest(rows: Sequence[dict[str, Any]]) -> int:
    return max((row["round"] for row in rows), default=0)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file. The sheet may not be there yet."""
    if path == SHEET and not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def difference(hand: Proportion, made: Proportion) -> tuple[float, float]:
    """The interval of `hand - made`, two independent shares (Newcombe 1998, method 10)."""
    (low_a, high_a), (low_b, high_b) = (wilson_interval(part.k, part.n) for part in (hand, made))
    gap = hand.value - made.value
    below = ((hand.value - low_a) ** 2 + (high_b - made.value) ** 2) ** 0.5
    above = ((high_a - hand.value) ** 2 + (made.value - low_b) ** 2) ** 0.5
    return gap - below, gap + above


def table(rows: Sequence[dict[str, Any]]) -> bool:
    """Print what was read in a round; whether the claims are kept."""
    print(
        f"{'':9} {'from':8}{'texts':>6}  {'a colleague would: both readings':34}{'one':>5}{'none':>6}   guessed `hand`"
    )
    guessed: dict[tuple[str, str], Proportion] = {}
    would: dict[tuple[str, str], Proportion] = {}
    for kind in KINDS:
        for origin in SIZES:
            part = [row for row in rows if row["kind"] == kind and row["from"] == origin]
            if not part:
                continue
            yes = [sum(reading["colleague"] == "yes" for reading in row["readings"]) for row in part]
            by_hand = sum(reading["origin"] == "hand" for row in part for reading in row["readings"])
            would[kind, origin] = Proportion(yes.count(2), len(part))
            # Two readers of one text are no two texts: the mean of both counts once.
            guessed[kind, origin] = Proportion(by_hand / 2, len(part))
            print(
                f"{kind:9} {origin:8}{len(part):>6}  {would[kind, origin]!s:34}{yes.count(1):>5}{yes.count(0):>6}"
                f"   {guessed[kind, origin]}"
            )
    kept: dict[str, bool] = {}
    print()
    for kind in dict.fromkeys(row["kind"] for row in rows):
        low, high = difference(guessed[kind, "hand"], guessed[kind, "now"])
        print(f"{kind}s guessed `hand`, hand-written less generated: {low:+.0%} to {high:+.0%}")
        kept[f"at least 90 % of the generated {kind}s read as a colleague's in both readings"] = (
            would[kind, "now"].value >= CLAIMED
        )
        kept[f"hand-written {kind}s are not told from generated ones"] = low <= 0
    print()
    for claim, holds in kept.items():
        print(f"{'kept  ' if holds else 'BROKEN'}  {claim}")
    print()
    return all(kept.values())


if __name__ == "__main__":
    sys.exit(main())
