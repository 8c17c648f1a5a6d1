"""Small logs as other evaluation tools write them: inspect_ai, lm-evaluation-harness and BFCL."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import zstandard

Verdicts = Mapping[str, bool]


def inspect_sample(case: str, value: Any, epoch: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": case,
        "epoch": epoch,
        "input": f"What is {case}?",
        "target": "t",
        "messages": [],
        "output": {"model": "m", "choices": [], "completion": f"said {case}"},
        "scores": {"exact": {"value": value, "explanation": "why"}, "length": {"value": 0.5}},
        "metadata": {"category": f"kind {len(case) % 2}"},
        **more,
    }


def inspect_header(task: str = "suite/sums", model: str = "vendor/m") -> dict[str, Any]:
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": task, "model": model, "created": "2026-11-01T00:00:00+00:00"},
        "results": {"scores": [{"name": "exact", "scorer": "exact"}]},
    }


def inspect_samples(right: Verdicts) -> list[dict[str, Any]]:
    return [inspect_sample(case, "C" if passed else "I") for case, passed in right.items()]


def write_inspect_json(path: Path, samples: Sequence[Any], **header: Any) -> Path:
    path.write_text(json.dumps({**inspect_header(**header), "samples": list(samples)}))
    return path


def write_inspect_eval(path: Path, samples: Sequence[Any], **header: Any) -> Path:
    """As versions of before 2026 compress it."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("_journal/start.json", "{}")
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(inspect_header(**header)))
    return path


def write_zstandard_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip archive whose members are compressed by method 93, written by hand: zipfile of Python 3.11 does not know it."""
    data, directory = b"", b""
    for name, content in members.items():
        packed = zstandard.ZstdCompressor().compress(content)
        about = struct.pack(
            "<HHHHHIIIHH", 63, 0, 93, 0, 33, zlib.crc32(content), len(packed), len(content), len(name), 0
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + about
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(data)) + name.encode()
        data += b"PK\x03\x04" + about + name.encode() + packed
    end = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(data), 0)
    path.write_bytes(data + directory + b"PK\x05\x06" + end)
    return path


def write_inspect_zstandard(path: Path, samples: Sequence[Any], **header: Any) -> Path:
    """As inspect_ai 0.3.285 compresses it."""
    members = {
        f"samples/{sample['id']}_epoch_{sample['epoch']}.json": json.dumps(sample).encode()
        for sample in samples
    }
    return write_zstandard_zip(
        path, {**members, "header.json": json.dumps(inspect_header(**header)).encode()}
    )


def write_lm_eval(folder: Path, right: Verdicts, task: str = "sums") -> Path:
    """Two filters: only the strict one tells right from wrong as asked."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "doc_id": number,
            "doc": {"question": f"What is {case}?"},
            "target": "1",
            "arguments": {"gen_args_0": {"arg_0": "prompt", "arg_1": {}}},
            "resps": [["said"]],
            "filtered_resps": ["said"],
            "filter": name,
            "metrics": ["exact_match", "share"],
            "doc_hash": f"{number:064}",
            "exact_match": float(passed and name == "strict-match"),
            "share": 0.4,
        }
        for name in ("strict-match", "flexible-extract")
        for number, (case, passed) in enumerate(right.items())
    ]
    path = folder / f"samples_{task}_2026-11-01T00-00-00.000000.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_bfcl(root: Path, right: Verdicts, model: str = "org_m", category: str = "live_simple") -> Path:
    """`score/` and `result/` as bfcl writes them; the model's folder of scores."""
    failed = [case for case, passed in right.items() if not passed]
    head = {
        "accuracy": 1 - len(failed) / len(right),
        "correct_count": len(right) - len(failed),
        "total_count": len(right),
    }
    wrong = [
        {
            "id": case,
            "model_name": model,
            "test_category": category,
            "valid": False,
            "error": ["no"],
            "prompt": {},
        }
        for case in failed
    ]
    results = [{"id": case, "result": f"f({case})"} for case in right]
    for kind, rows in (("score", [head, *wrong]), ("result", results)):
        folder = root / kind / model / "live"
        folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"BFCL_v4_{category}_{kind}.json").write_text(text)
    return root / "score" / model
