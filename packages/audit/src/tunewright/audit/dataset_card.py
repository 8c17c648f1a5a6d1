"""A dataset's card for the hub, and its Croissant metadata, from an audit: what it holds and what is wrong with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunewright.audit.terminal_report import headline_text, verdict_line
from tunewright.audit.understood import summary_text
from tunewright.contract.atomic import sha256_file
from tunewright.contract.errors import UserError
from tunewright.contract.hub_card import hub_card
from tunewright.contract.visible import markdown_cell

if TYPE_CHECKING:
    from tunewright.audit.audited import AuditReport

MOST_FINDINGS = 20
SPLITS = {"valid": "validation"}  # the hub's names
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_ENCODINGS = {".parquet": "application/vnd.apache.parquet", ".json": "application/json"}
# The context that the specification gives: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass(frozen=True)
class CardFile:
    """A data file as a card names it: `path` is relative to the card; `columns` are the first row's keys and values."""

    path: str
    split: str
    examples: int
    size: int  # bytes
    sha256: str
    columns: Mapping[str, object]


def card_files(report: "AuditReport", folder: Path) -> list[CardFile]:
    """The files of an audited dataset, for a card in `folder`. Raises UserError for a file that is not below it."""
    from tunewright.chat.reading.files import DataFile
    from tunewright.chat.reading.rows import first_row

    made: list[CardFile] = []
    for file in report.files:
        path = Path(file.path)
        try:
            below = path.resolve().relative_to(folder.resolve()).as_posix()
        except ValueError:
            raise UserError(
                f"{path} is not in {folder}: a card names files next to it or below",
                "Write the card into the dataset's folder: --out FOLDER/README.md",
            ) from None
        row = first_row(DataFile(path, file.split), 1)
        columns: Mapping[str, object] = row if isinstance(row, dict) else {}
        size = path.stat().st_size
        made.append(CardFile(below, file.split, file.examples, size, sha256_file(path), columns))
    return made


def dataset_card(name: str, licence: str, files: Sequence[CardFile], report: "AuditReport") -> str:
    """README.md of a dataset repository. `licence` is one of the hub's identifiers."""
    paths: dict[str, list[str]] = {}
    for file in files:
        paths.setdefault(SPLITS.get(file.split, file.split), []).append(file.path)
    total = sum(file.examples for file in files)
    metadata = {
        "pretty_name": name,
        "license": licence,
        "task_categories": ["text-generation"],
        "tags": ["tool-calling", "function-calling", "tunewright"],
        "size_categories": [next((label for most, label in _SIZES if total < most), "n>1M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": found} for split, found in paths.items()],
            }
        ],
    }
    lines = [
        f"# {markdown_cell(name)}",
        "",
        markdown_cell(summary_text(report.understood.kinds), 1000) if report.understood.files else "",
        "",
        "| file | split | examples | bytes | SHA-256 |",
        "|---|---|---|---|---|",
        *(
            f"| {markdown_cell(file.path)} | {file.split} | {file.examples:,} | {file.size:,} | `{file.sha256}` |"
            for file in files
        ),
        "",
        "## Audit",
        "",
        f"**{markdown_cell(verdict_line(report), 500)}**",
        "",
        markdown_cell(headline_text(report), 500),
        "",
        *_findings(report),
        "",
        "Sources, collection and consent are not known to the audit: say them here before you publish.",
    ]
    return hub_card(metadata, lines)


def _findings(report: "AuditReport") -> list[str]:
    shown = [finding for finding in report.findings if finding.severity != "info"]
    if not shown:
        return ["No check warns or fails."]
    rows = [
        f"| {finding.severity} | {finding.check} | {finding.count:,} | {markdown_cell(finding.message)} |"
        for finding in shown[:MOST_FINDINGS]
    ]
    more = [f"and {len(shown) - MOST_FINDINGS:,} more"] if len(shown) > MOST_FINDINGS else []
    return ["| severity | check | rows | what |", "|---|---|---|---|", *rows, *more]


def croissant(name: str, licence: str, files: Sequence[CardFile]) -> dict[str, Any]:
    """Croissant 1.0 metadata (JSON-LD): every file with its hash, and a record set of its first row's columns.

    Lists and objects are JSON text; compressed files are named without record sets.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": f"Chat examples with tool calls: {sum(file.examples for file in files):,} in {len(files)} files.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": licence,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.path,
                "name": file.path,
                "contentUrl": file.path,
                "contentSize": f"{file.size} B",
                "encodingFormat": _encoding(file.path),
                "sha256": file.sha256,
            }
            for file in files
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": f"{file.path}#examples",
                "name": f"{file.path}#examples",
                "description": f"{file.examples} examples of the split {file.split}",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{file.path}#examples/{column}",
                        "name": f"{file.path}#examples/{column}",
                        "dataType": _data_type(value),
                        "source": {"fileObject": {"@id": file.path}, "extract": {"column": column}},
                    }
                    for column, value in file.columns.items()
                ],
            }
            for file in files
            if file.columns and not file.path.endswith((".gz", ".zst", ".json"))
        ],
    }


def croissant_text(value: Mapping[str, Any]) -> str:
    """The metadata as a file's text."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def _encoding(path: str) -> str:
    return _ENCODINGS.get(
        Path(path).suffix, "application/gzip" if path.endswith(".gz") else "application/jsonlines"
    )


def _data_type(value: object) -> str:
    if isinstance(value, bool):
        return "sc:Boolean"
    return "sc:Integer" if isinstance(value, int) else "sc:Float" if isinstance(value, float) else "sc:Text"
