"""What a run will take, asked of the host and of this machine before it starts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import DATA, RUNS
from tunewright.cli.plan_downloads import UNPACKED, download_bytes
from tunewright.cli.plan_earlier import find_earlier
from tunewright.cli.plan_model import COUNTING, Unknown, count, find_config
from tunewright.cli.plan_text import Cargo, Plan, batch_of
from tunewright.contract.console import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunewright.contract.base_lock import BaseLock
    from tunewright.contract.counts import Counts
    from tunewright.contract.example import Example
    from tunewright.contract.recipe import Recipe
    from tunewright.contract.suite import Subset
    from tunewright.remote.host import Host
    from tunewright.remote.host_facts import HostFacts

# A byte-level tokenizer of 150,000 words makes about 3.4 bytes of code a token; fewer is on the safe side.
BYTES_PER_TOKEN = 3.0
MEBIBYTE = 1 << 20
SAMPLE = 2000  # examples that are rendered to find the longest


def make_plan(
    recipe: "Recipe",
    host: "Host",
    lock: "BaseLock | None" = None,
    *,
    facts: "HostFacts | None" = None,
    data: Path | None = None,
) -> Plan:
    """Ask the host and this machine everything that a plan says. Raises HostError when the host says nothing.

    `lock` knows how large the files of a base on the hub are. `facts` are the host's where they are known; `data` is what is
    trained on, where it is not the recipe's own.
    """
    from tunewright.contract.errors import UserError
    from tunewright.remote.host_facts import probe_host
    from tunewright.remote.preflight import judge_facts

    facts = facts or probe_host(host)
    findings = judge_facts(facts, host.root, None, host.name)
    against = [finding.message for finding in findings if finding.severity == "fail"]
    warnings = [finding.message for finding in findings if finding.severity == "warn"]
    machine = next((f.message for f in findings if f.check == "system"), f"{facts.system} on {facts.arch}")
    environment, unpacked = environment_cargo(host, facts)
    cargo = [*_data(recipe, host, data), environment]
    try:
        tokens, share, assumed = _batch(recipe, host, data)
    except UserError as error:
        tokens, share, assumed = 0, 1.0, f"{recipe.train.batch_size} of max_seq_length"
        against.append(error.message)
    counts: Counts | None = None
    unknown, there = "", True
    try:
        base = find_config(recipe, host, facts)
        there = base.there
        if base.missing:
            against.append(base.missing)
        if not tokens and base.tokens:
            tokens, assumed = base.tokens, base.tokens_source
        # What the environment brings to Linux computes on the CPU, where a quantized base is expanded.
        counts = count(
            recipe,
            base.config,
            tokens,
            share,
            on_cpu=facts.system == "Linux",
            there=_counting_on(host) if environment.there else None,
        )
    except Unknown as error:
        unknown, there = str(error), False
    except UserError as error:
        unknown = error.message
        against.append(error.message)
    if not recipe.model.pinned:
        warnings.append(
            f"{recipe.model.base} has no lock yet: train and host.fetch ask the hub once which commit it is"
        )
    if counts and lock and lock.files:
        counts = counts.model_copy(update={"disk": counts.disk.model_copy(update={"base": lock.size})})
    if unknown and not there:
        cargo.append(Cargo("base model", fetched=lock.size if lock else 0))
    elif counts and recipe.model.on_hub:
        cargo.append(Cargo("base model", fetched=counts.disk.base, there=there))
    budget, source = memory_budget(facts)
    return Plan(
        recipe=recipe,
        host=host.name,
        machine=machine,
        counts=counts,
        unknown=unknown,
        cargo=tuple(cargo),
        disk_free=facts.disk_free_bytes,
        environment_bytes=unpacked,
        memory_budget=budget,
        memory_source=source,
        earlier=find_earlier(RUNS, recipe, host.name),
        against=tuple(against),
        warnings=tuple(warnings),
        assumed=assumed,
        length_known=tokens > 0,
        base_there=there,
        gates=gates_of(recipe),
    )


def gates_of(recipe: "Recipe") -> tuple[str, ...]:
    """How likely models of known quality pass each gate, with the suites that are on this machine."""
    from tunewright.contract.suite import read_suite
    from tunewright.eval.gate_chances import chances_text, gate_chances

    suites = {
        entry.name: read_suite(path, entry.subset)
        if entry.path and (path := ROOT / entry.path).is_file()
        else None
        for entry in recipe.suites
    }
    return tuple(chances_text(gate_chances(recipe.gates, suites)) if recipe.gates else ())


def memory_budget(facts: "HostFacts") -> tuple[int | None, str]:
    """Bytes that training may use on a host, and why that many."""
    memory = facts.memory_bytes
    if facts.system == "Darwin":
        if facts.wired_limit:
            return facts.wired_limit, "iogpu.wired_limit_mb"
        if memory is None:
            return None, ""
        # What macOS gives its GPU unless told otherwise: three quarters, of small machines two thirds.
        share = 3 / 4 if memory > 36 * 1024 * MEBIBYTE else 2 / 3
        return int(memory * share), "what macOS gives the GPU; more with sysctl iogpu.wired_limit_mb"
    return memory, "all of it"


def _counting_on(host: "Host") -> "Callable[[bytes], bytes]":
    """Counts in the host's own environment."""
    from tunewright.remote.environment import installed_environment

    def ask(question: bytes) -> bytes:
        environment = installed_environment(host, ROOT, say)
        if environment is None:
            raise Unknown("the environment on the host went away")
        command = [environment.python, "-P", "-m", "tunewright.train.counting"]
        return host.run(command, stdin=question, timeout=COUNTING).stdout

    return ask


def environment_cargo(host: "Host", facts: "HostFacts") -> tuple[Cargo, int]:
    """The environment as cargo, and its bytes on the host's disk; 0 when it is there."""
    from tunewright.remote.bundle import REQUIREMENTS, prepare_shipment
    from tunewright.remote.environment import MARKER, environment_folder
    from tunewright.remote.host import read_file

    shipment = prepare_shipment(ROOT, say)
    if read_file(host, environment_folder(host, shipment.hash) / MARKER) is not None:
        return Cargo("environment", there=True), 0
    sent = sum((shipment.folder / name).stat().st_size for name in shipment.files)
    fetched = download_bytes(
        shipment.lock.read_text(encoding="utf-8"),
        (shipment.folder / REQUIREMENTS).read_text(encoding="utf-8"),
        facts.system,
        facts.arch,
    )
    return Cargo("environment", here=sent, fetched=fetched), int(fetched * UNPACKED)


def _data(recipe: "Recipe", host: "Host", data: Path | None) -> list[Cargo]:
    """The dataset's splits and the suites, and which of them the host has."""
    from tunewright.chat.reading.files import find_files
    from tunewright.contract.errors import UserError
    from tunewright.contract.manifest import find_splits

    if recipe.data.path and data is None:
        # It is put into one form before it is shipped, in about as many bytes.
        size = sum(file.path.stat().st_size for file in find_files([ROOT / recipe.data.path]))
        cargo = [Cargo(f"dataset, prepared first ({recipe.data.path})", here=size)]
    else:
        try:
            splits = list(find_splits(data or DATA / recipe.name).values())
        except UserError:
            splits = []
        cargo = [_file(path, host) for path in splits]
        if not splits:
            total = recipe.data.navigation + recipe.data.other
            cargo.append(Cargo(f"dataset, made first ({total:,} examples)"))
    suites = [suite for suite in recipe.suites if suite.path and (ROOT / suite.path).is_file()]
    return cargo + [_suite(ROOT / suite.path, suite.subset, host) for suite in suites]


def _file(path: Path, host: "Host") -> Cargo:
    from tunewright.contract.atomic import sha256_file

    return _blob(f"{path.parent.name}/{path.name}", sha256_file(path), path.stat().st_size, host)


def _suite(path: Path, subset: "Subset | None", host: "Host") -> Cargo:
    """What a run ships of a suite."""
    from tunewright.contract.atomic import sha256_bytes
    from tunewright.contract.suite import suite_text

    text = suite_text(path, subset)
    part = f" ({subset})" if subset else ""
    return _blob(f"{path.parent.name}/{path.name}{part}", sha256_bytes(text), len(text), host)


def _blob(name: str, digest: str, size: int, host: "Host") -> Cargo:
    from tunewright.remote.transfer import blob_path

    return Cargo(name, here=size, there=host.size(blob_path(host, digest)) == size)


def _batch(recipe: "Recipe", host: "Host", data: Path | None) -> tuple[int, float, str]:
    """The longest example in tokens, its share with loss, and how that is known; 0: the recipe's longest.

    Counted by the trainer's own code where the base's tokenizer is on this machine, else estimated. Raises UserError for
    rows that the run would stop at.
    """
    from tunewright.chat.training_set import read_training_set
    from tunewright.cli.base_files import template_on
    from tunewright.cli.template_fit import base_template, encode_fitted
    from tunewright.contract.encoding import check_tools_trained

    size, limit = recipe.train.batch_size, recipe.train.max_seq_length
    longest = f"{size} of max_seq_length, {limit}"
    data = data or (ROOT / recipe.data.path if recipe.data.path else DATA / recipe.name)
    if not data.exists():
        return 0, 1.0, longest
    examples = read_training_set(data).rows.get("train", [])
    base = base_template(recipe) or template_on(recipe, host)
    step = max(1, len(examples) // SAMPLE)
    if base and (encoded := encode_fitted(recipe, examples[::step], base)):
        if step == 1:
            check_tools_trained(encoded, data.name)
        row = max(encoded.rows, key=len)
        return len(row), row.trainable / len(row), f"{size} of the longest example in {data.name}, {len(row)}"
    # The embedded model's words are short: its examples are as long as it takes.
    if recipe.model.base.startswith("embedded:"):
        return 0, 1.0, longest
    lengths = [_bytes_of(example, masked=recipe.train.mask != "none") for example in examples]
    tokens, share = batch_of(lengths, BYTES_PER_TOKEN)
    if tokens >= limit:
        return 0, share, longest
    return tokens, share, f"{size} of the longest example in {data.name}, about {tokens}"


def _bytes_of(example: "Example", *, masked: bool) -> tuple[int, int]:
    """An example's bytes, and those with loss, its calls and tools as JSON."""
    sizes = [
        (len(json.dumps(message.row(), ensure_ascii=False).encode()), message.role == "assistant")
        for message in example.messages
    ]
    offered = len(json.dumps(example.tools, ensure_ascii=False).encode()) if example.tools else 0
    total = offered + sum(size for size, _ in sizes)
    return total, sum(size for size, trained in sizes if trained) if masked else total
