"""How varied generated requests and answers are, next to those of before and to real data, in one table.

    python benchmarks/generated_text.py [--now FOLDER] [--before FOLDER] [--texts 200]

`--now` is a dataset of this checkout (default: 200 examples of the tiny recipe are made). `--before` is a dataset made
by an earlier version, or a checkout of one, which makes its default dataset then. With TUNEWRIGHT_REAL_DATA its datasets
are rows of the table too. Requests are what users say, answers what the assistant says without a call. Paths, names,
numbers, code and quoted text are replaced by one word, so that only the wording counts.

    distinct-3   share of different runs of three words among the first 1,000 of the texts in random order
                 (Li et al., 2016, arXiv:1510.03055, distinct-n); more is more varied
    nearest      mean over `--texts` texts of the highest Jaccard similarity of a text's word pairs with another one's;
                 less is more varied
    twice        share of texts whose wording appears more than once among them
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tunewright.chat.conversation import UnknownShapeError, read_conversation
from tunewright.chat.message import called_by
from tunewright.chat.similar import shingles, words_of
from tunewright.contract.recipe import load_recipe
from tunewright.datagen.generate import generate_dataset

ROOT = Path(__file__).parents[1]
RUNS = 1_000  # of three words: distinct-n falls with length, so all sets are measured at one
VALUE = re.compile(r"```.*?```|`[^`]*`|\S*[./_\\=()\[\]{}<>]\S+|\b[a-z]+[A-Z]\w*|\d+", re.DOTALL)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How varied generated requests and answers are.")
    parser.add_argument("--now", type=Path, help="a dataset of this checkout")
    parser.add_argument("--before", type=Path, help="an earlier version's dataset, or its checkout")
    parser.add_argument("--texts", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sets = {"now": options.now or generated(Path(scratch, "now"))}
        if options.before is not None:
            checkout = (options.before / "tasks.py").is_file()
            sets["before"] = (
                generated_by(options.before, Path(scratch, "before")) if checkout else options.before
            )
        if real := os.environ.get("TUNEWRIGHT_REAL_DATA"):
            sets |= {path.name: path for path in sorted(Path(real).iterdir()) if path.is_dir()}
        print(
            f"{'set':<20} {'texts':<9} {'count':>6} {'words':>6} {'distinct-3':>11} {'nearest':>8} {'twice':>6}"
        )
        for name, folder in sets.items():
            for kind, texts in said_in(folder).items():
                print(f"{name:<20} {kind:<9} {figures(texts, options.texts)}")


def generated(folder: Path) -> Path:
    """A small dataset of the tiny recipe."""
    recipe = load_recipe("tiny", ROOT)
    data = recipe.data.model_copy(update={"navigation": 100, "other": 100})
    generate_dataset(recipe.model_copy(update={"data": data}), folder, root=ROOT)
    return folder


def generated_by(checkout: Path, folder: Path) -> Path:
    """The default dataset of another checkout, made with its own environment."""
    subprocess.run(["./inv", "data.generate", "--out", str(folder)], cwd=checkout, check=True)
    return folder


def said_in(folder: Path) -> dict[str, list[str]]:
    """What users and the assistant say in words, masked; each message once a row."""
    found: dict[str, list[str]] = {"requests": [], "answers": []}
    for row in rows_in(folder):
        try:
            messages = read_conversation(row).plain
        except UnknownShapeError:
            continue
        for message in messages:
            text = str(message.get("content") or "")
            if message["role"] == "user" and not text.lstrip().startswith("<tool_response>"):
                found["requests"].append(masked(text))
            elif message["role"] == "assistant" and text.strip() and not called_by(message):
                found["answers"].append(masked(text))
    return found


def rows_in(folder: Path) -> Iterator[object]:
    """The rows of the JSONL and JSON files of a folder."""
    for path in sorted(folder.glob("*.jsonl")):
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
    for path in sorted(folder.glob("*.json")):
        value = json.loads(path.read_text(encoding="utf-8"))
        yield from value if isinstance(value, list) else ()


def masked(text: str) -> str:
    """The wording alone."""
    return VALUE.sub(" value ", text)


def figures(texts: Sequence[str], most: int) -> str:
    """Count, words a text, and the three measures, of a random choice that is the same each time."""
    if not texts:
        return f"{0:>6}"
    drawn = list(texts)
    Random(1).shuffle(drawn)
    chosen = drawn[:most]
    runs: list[tuple[str, ...]] = []
    for text in drawn:
        words = words_of(text)
        runs += [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
        if len(runs) >= RUNS:
            break
    runs = runs[:RUNS]
    pairs = [shingles(text, 2) for text in chosen]
    nearest = [
        max((len(a & b) / len(a | b) for j, b in enumerate(pairs) if j != i), default=0.0)
        for i, a in enumerate(pairs)
    ]
    times = Counter(" ".join(words_of(text)) for text in chosen)
    twice = sum(times[" ".join(words_of(text))] > 1 for text in chosen) / len(chosen)
    words = sum(len(words_of(text)) for text in chosen) / len(chosen)
    distinct = f"{len(set(runs)) / len(runs):.2f}" if len(runs) == RUNS else "too few"
    return f"{len(texts):>6} {words:>6.1f} {distinct:>11} {sum(nearest) / len(nearest):>8.2f} {twice:>6.0%}"


if __name__ == "__main__":
    main()
