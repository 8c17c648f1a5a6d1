"""The pretraining corpus: generated conversations, with Python sources of pinned packages as filling.

Conversations are never cut: windows are packed with whole ones and the rest of each window is filled
with a slice of source text. Cutting would take away the request that the call copies from.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from platform import python_version
from random import Random
from typing import Any

import numpy as np

from tunewright.train.tiny import names
from tunewright.train.tiny.bpe_tokenizer import END_OF_TEXT, SPECIAL_TOKENS, render
from tunewright.train.tiny.conversations import Conversation, conversation
from tunewright.train.tiny.invented_tools import FORBIDDEN_TOOLS
from tunewright.train.tiny.names import seeded

PACKAGES = ("numpy", "pydantic", "mlx-lm", "jinja2")
STDLIB_MODULES = names.words(
    """
    argparse collections configparser contextlib csv dataclasses datetime email enum functools heapq html
    http inspect json logging os pathlib pickle queue random sched shelve shlex shutil socketserver sqlite3
    statistics string subprocess tarfile tempfile textwrap threading traceback types typing unittest urllib
    uuid warnings wsgiref xml zipfile
    """
)


@dataclass(frozen=True)
class Source:
    """Where source text came from."""

    name: str
    version: str
    files: int
    characters: int


@dataclass(frozen=True)
class Corpus:
    """Token windows, one row each, and what they were made of."""

    windows: np.ndarray[Any, np.dtype[np.uint16]]
    conversation_tokens: int
    source_tokens: int
    copy_tokens: int
    conversations: int
    sha256: str


def clean_conversations(seed: int) -> Iterator[Conversation]:
    """Endless conversations; one that happens to spell a tool of the product is left out."""
    rng = seeded(seed)
    while True:
        made = conversation(rng)
        if not any(name in message["content"] for message in made.messages for name in FORBIDDEN_TOOLS):
            yield made


def _python_files(roots: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for root in roots:
        files += [root] if root.is_file() else sorted(p for p in root.rglob("*.py") if "test" not in str(p))
    return files


def _read(files: Sequence[Path]) -> list[str]:
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return [
        text
        for text in texts
        if 200 < len(text) < 200_000 and not any(name in text for name in FORBIDDEN_TOOLS)
    ]


def source_texts() -> tuple[list[str], list[Source]]:
    """The Python files of the packages and of part of the standard library, with their versions."""
    texts: list[str] = []
    sources: list[Source] = []
    for package in PACKAGES:
        distribution = metadata.distribution(package)
        files = sorted(
            Path(str(distribution.locate_file(f)))
            for f in distribution.files or ()
            if f.suffix == ".py" and "test" not in str(f)
        )
        read = _read([f for f in files if f.is_file()])
        texts += read
        sources.append(Source(package, distribution.version, len(read), sum(map(len, read))))
    library = Path(sysconfig.get_paths()["stdlib"])
    roots = [p for name in STDLIB_MODULES for p in (library / name, library / f"{name}.py") if p.exists()]
    read = _read(_python_files(roots))
    texts += read
    sources.append(Source("python standard library", python_version(), len(read), sum(map(len, read))))
    return texts, sources


def tokenizer_texts(seed: int, texts: Sequence[str], conversations: int = 12_000) -> list[str]:
    """What the tokenizer is trained on: conversations, and source text of a third of their length."""
    stream = clean_conversations(seed)
    chats = [render(next(stream).messages) for _ in range(conversations)]
    allowance = sum(map(len, chats)) // 3
    order = list(texts)
    seeded(seed).shuffle(order)
    filling: list[str] = []
    for text in order:
        if allowance <= 0:
            break
        filling.append(text[:allowance])
        allowance -= len(text)
    return chats + filling


def _source_stream(tokenizer: Any, texts: Sequence[str], seed: int) -> Iterator[int]:
    order = list(texts)
    rng = seeded(seed)
    while True:
        rng.shuffle(order)
        for text in order:
            yield from tokenizer.encode(text).ids
            yield tokenizer.token_to_id(END_OF_TEXT)


def copy_share(at: int, windows: int) -> float:
    """The share of copy sheets among windows: a third of the first, few from a tenth of the way on.

    They keep the heads that copy alive while the rest of the model is still random.
    """
    return max(0.03, 0.33 * (1 - at / (windows * 0.1)))


def copy_sheet(tokenizer: Any, rng: Random, size: int) -> list[int]:
    """A window that says the same things again: random tokens, or random names in any order."""
    row: list[int] = []
    vocabulary = tokenizer.get_vocab_size()
    while len(row) < size:
        if rng.random() < 0.4:
            part = [rng.randrange(len(SPECIAL_TOKENS), vocabulary) for _ in range(rng.randint(8, 90))]
            row += part + part
            continue
        makers = rng.sample(
            (
                names.symbol,
                names.path,
                names.code,
                names.snake,
                names.camel,
                names.host,
                names.phrase,
                names.word,
            ),
            3,
        )
        said = [rng.choice(makers)(rng) for _ in range(rng.randint(3, 14))]
        first, second = rng.choice((", ", " ", "\n", "\n- ")), rng.choice((", ", '", "', "\n", " = ", '")\n'))
        again = list(said)
        if rng.random() < 0.7:
            rng.shuffle(again)
        row += tokenizer.encode(first.join(said) + "\n" + second.join(again) + "\n").ids
    return row[:size]


def pack(
    tokenizer: Any, texts: Sequence[str], *, seed: int, windows: int, length: int, sheets: bool = True
) -> Corpus:
    """Packs `windows` rows of `length` + 1 tokens: whole conversations first, source text in the rest."""
    size = length + 1
    end = tokenizer.token_to_id(END_OF_TEXT)
    chats = clean_conversations(seed)
    filling = _source_stream(tokenizer, texts, seed)
    waiting: list[list[int]] = []
    rows = np.empty((windows, size), dtype=np.uint16)
    used = counted = 0
    rng = seeded(seed + 1)
    copied = 0
    for at in range(windows):
        if sheets and rng.random() < copy_share(at, windows):
            rows[at] = copy_sheet(tokenizer, rng, size)
            copied += 1
            continue
        while len(waiting) < 256:
            batch = [render(next(chats).messages) for _ in range(512)]
            encoded = [[*e.ids, end] for e in tokenizer.encode_batch(batch)]
            waiting += [ids for ids in encoded if len(ids) <= size]
        row: list[int] = waiting.pop(0)
        counted += 1
        while True:
            # First fit over those waiting: looking for the best fit would sort by length within a window.
            room = size - len(row)
            index = next((i for i, ids in enumerate(waiting[:128]) if len(ids) <= room), None)
            if index is None:
                break
            row = row + waiting.pop(index)
            counted += 1
        used += len(row)
        row = row + [next(filling) for _ in range(size - len(row))]
        rows[at] = row
    digest = hashlib.sha256(rows.astype("<u2").tobytes()).hexdigest()
    return Corpus(rows, used, (windows - copied) * size - used, copied * size, counted, digest)
