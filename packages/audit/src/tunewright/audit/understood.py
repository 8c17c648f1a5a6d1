"""What was read of a dataset and what was not: rows, content blocks, tool lists and calls, file by file."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

KINDS = ("rows", "blocks", "tool_lists", "calls")
KEPT = 20  # places named of what was not read

# Row shapes and call dialects are how the first and the last were read; the other two come in one form.
UNDERSTOOD = """
CREATE VIEW unread AS
SELECT file, line, 'rows' AS kind, detail FROM faults WHERE kind IN ('unreadable', 'torn', 'cut', 'shape')
UNION ALL SELECT file, line, 'blocks', detail FROM faults WHERE kind = 'block'
UNION ALL SELECT file, line, 'tool_lists', detail FROM faults WHERE kind IN ('tools', 'blank_tools')
UNION ALL SELECT file, line, 'tool_lists', detail FROM rows JOIN toolset_faults USING (toolset)
UNION ALL SELECT file, line, 'calls', format('message {}: {}', message, error)
    FROM calls JOIN rows USING (example) WHERE error <> ''
UNION ALL SELECT file, line, 'calls', format('message {}: {}', message, min(detail))
    FROM problems ANTI JOIN calls USING (example, message) JOIN rows USING (example)
    GROUP BY example, message, file, line;

CREATE VIEW understood AS
WITH counted AS (
    SELECT file, 'rows' AS kind, shape AS form, count(*) AS n FROM rows GROUP BY ALL
    UNION ALL SELECT file, 'blocks', '', sum(blocks) FROM rows GROUP BY file
    UNION ALL SELECT file, 'tool_lists', '', count(*) FROM rows
        WHERE toolset IN (SELECT toolset FROM offered) AND toolset NOT IN (SELECT toolset FROM toolset_faults) GROUP BY file
    UNION ALL SELECT file, 'calls', syntax, count(*) FROM calls JOIN rows USING (example) WHERE error = '' GROUP BY ALL
), read AS (
    SELECT file, kind, sum(n)::BIGINT AS n,
        list({'form': form, 'n': n::BIGINT} ORDER BY n DESC, form) FILTER (form <> '') AS forms
    FROM counted GROUP BY ALL
), missed AS (
    SELECT file, kind, count(*) AS n, list({'line': line, 'detail': detail} ORDER BY line, detail) AS places
    FROM unread GROUP BY ALL
)
SELECT f.path AS file, f.split, k.kind, coalesce(r.n, 0) AS read, coalesce(m.n, 0) AS unread,
    coalesce(r.forms, []) AS forms, coalesce(m.places, []) AS places
FROM files f CROSS JOIN (SELECT unnest(['rows', 'blocks', 'tool_lists', 'calls']) AS kind, unnest(range(4)) AS place) k
LEFT JOIN read r ON r.file = f.file AND r.kind = k.kind
LEFT JOIN missed m ON m.file = f.file AND m.kind = k.kind
ORDER BY f.file, k.place;
"""


@dataclass(frozen=True)
class Unread:
    """Something that could not be read, and why."""

    file: str
    line: int
    detail: str


@dataclass(frozen=True)
class Read:
    """How much of one kind was read and how much was not. `unread_at` names the first 20 places."""

    read: int = 0
    unread: int = 0
    forms: Mapping[str, int] = field(default_factory=dict[str, int])
    unread_at: tuple[Unread, ...] = ()

    @property
    def total(self) -> int:
        return self.read + self.unread

    def to_json(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "unread": self.unread,
            "forms": dict(self.forms),
            "unread_at": [vars(place) for place in self.unread_at],
        }


@dataclass(frozen=True)
class FileRead:
    """What was read of one file, by kind."""

    path: str
    split: str
    kinds: Mapping[str, Read]


@dataclass(frozen=True)
class Understood:
    """What was read of a dataset."""

    files: tuple[FileRead, ...] = ()

    @property
    def kinds(self) -> dict[str, Read]:
        """All files together, by kind."""
        return {kind: _together([file.kinds[kind] for file in self.files]) for kind in KINDS}

    def to_json(self) -> dict[str, Any]:
        """All files together, then each, as docs/formats.md has it."""
        files = [
            {"path": file.path, "split": file.split}
            | {kind: read.to_json() for kind, read in file.kinds.items()}
            for file in self.files
        ]
        return {**{kind: read.to_json() for kind, read in self.kinds.items()}, "files": files}


def _together(reads: Iterable[Read]) -> Read:
    listed = list(reads)
    forms: Counter[str] = Counter()
    for read in listed:
        forms.update(read.forms)
    places = [place for read in listed for place in read.unread_at]
    return Read(
        sum(read.read for read in listed),
        sum(read.unread for read in listed),
        dict(forms.most_common()),
        tuple(places[:KEPT]),
    )


def what_was_understood(connection: "duckdb.DuckDBPyConnection") -> Understood:
    """The view `understood` as values."""
    found = connection.execute(
        f"SELECT file, split, kind, read, unread, forms, places[:{KEPT}] FROM understood"
    ).fetchall()
    files: dict[tuple[str, str], dict[str, Read]] = {}
    for path, split, kind, read, unread, forms, places in found:
        files.setdefault((path, split), {})[kind] = Read(
            read,
            unread,
            {form["form"]: form["n"] for form in forms},
            tuple(Unread(path, **place) for place in places),
        )
    return Understood(tuple(FileRead(path, split, kinds) for (path, split), kinds in files.items()))


_NOUNS = {"rows": "row", "blocks": "content block", "tool_lists": "tool list", "calls": "call"}


def count_text(kind: str, read: Read) -> str:
    """`792 of 794 rows (messages 700, sharegpt 92)`."""
    noun = _NOUNS[kind] + ("" if read.total == 1 else "s")
    count = f"{read.read:,} of {read.total:,}" if read.unread else f"{read.read:,}"
    named = ", ".join(form if len(read.forms) == 1 else f"{form} {n:,}" for form, n in read.forms.items())
    return f"{count} {noun}" + (f" ({named})" if named else "")


def summary_text(kinds: Mapping[str, Read]) -> str:
    """One sentence. Rows and calls are always named; the others where the data have any."""
    said = [
        count_text(kind, kinds[kind])
        for kind in ("rows", "calls", "tool_lists", "blocks")
        if kind in ("rows", "calls") or kinds[kind].total
    ]
    return "Read: " + ", ".join(said) + "."


def unread_text(kinds: Mapping[str, Read]) -> tuple[list[Unread], int]:
    """The first places of what was not read, at most 20 over all kinds, and how many more there are."""
    places = [place for kind in KINDS for place in kinds[kind].unread_at][:KEPT]
    return places, sum(read.unread for read in kinds.values()) - len(places)
