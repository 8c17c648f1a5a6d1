"""The task that serves a run's model."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from tunewright.cli.invoke_program import ROOT, command
from tunewright.cli.runs import find
from tunewright.contract.console import say

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from tunewright.contract.run import RunFolder
    from tunewright.eval.registry import Entry
    from tunewright.remote.host import Host

QUESTION = "Find every place that uses the class Cache."


@command(
    run="a run's id, or a unique beginning or end of it (default: the promoted one, or the latest while none is)",
    host="where it is served: local, or a name from ~/.ssh/config (default: where the run is)",
    port="the port of this machine; 0: a free one",
    log="append every chat request and its answer to this file, for `audit`, `sql` and `data.from-log` (default: nothing "
    "is logged)",
)
def serve(c: Context, run: str = "", host: str = "", port: int = 8080, log: str = "") -> None:
    """Serve a run's quantized model as an OpenAI-compatible endpoint, until Ctrl-C."""
    from tunewright.cli.served_log import ServedLog
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.serving import model_on_host, serve_model

    chosen, promoted = choose(run)
    name = chosen.path.name
    with (
        ServedLog(Path(log)) if log else nullcontext() as rows,
        open_host(host or chosen.read_spec().host, ROOT) as machine,
    ):
        folder = model_on_host(machine, chosen)
        if promoted:
            check_promoted(machine, folder, promoted)
        environment = install_environment(machine, ROOT, say)
        say(f"serve     {name} on {machine.name}")
        try:
            with serve_model(
                machine, environment.python, folder, name, port, tell, log=rows is not None
            ) as served:
                print(how_to_call(served.model, served.url), flush=True)
                if rows is not None:
                    say(f"log       every chat request and its answer are written to {log}, and nowhere else")
                served.wait(rows.add if rows is not None else None)
        except KeyboardInterrupt:
            say("serve     stopped")
        finally:
            if rows is not None and rows.rows:
                say(
                    f"log       {rows.rows:,} rows; review them: ./inv data.from-log --log {log} --out review.jsonl"
                )


def choose(run: str) -> "tuple[RunFolder, Entry | None]":
    """The run to serve, and the promotion that it is served by: the one in use unless a run is named."""
    from tunewright.eval.registry import in_use, last_promotion, read_registry

    entries = read_registry(ROOT / "models")
    live = in_use(entries)
    chosen = find(run or live)
    if not live:
        say(
            "serve     no model has been promoted: this is the latest run"
            if not run
            else "serve     as named"
        )
    elif chosen.path.name != live:
        say(f"serve     as named; the promoted run is {live}")
    return chosen, last_promotion(entries, live) if chosen.path.name == live else None


def check_promoted(machine: "Host", folder: "PurePosixPath", promotion: "Entry") -> None:
    """Raises CheckFailed when the model on the host is not, byte for byte, the one that was promoted."""
    from tunewright.contract.errors import CheckFailed
    from tunewright.contract.run_manifest import model_hash
    from tunewright.remote.confirm import model_on

    model, problems = model_on(machine, folder)
    wanted = promotion.evidence.get("model_sha256")
    if not problems and model and wanted and model_hash(model) != wanted:
        problems = [f"{folder.name} on {machine.name} is not the model that was promoted"]
    if problems:
        raise CheckFailed(
            f"run {promotion.run} is not served: {problems[0]}",
            "Bring it back (./inv pull --models), or put the one before in use again: ./inv rollback",
        )


def tell(line: str) -> None:
    say(f"serve     {line}")


def how_to_call(model: str, url: str) -> str:
    """What to type into another terminal."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
    return "\n".join(
        (
            f"endpoint  {url}",
            f"model     {model} (requests for any other are refused)",
            f"try       curl {url}/chat/completions -H 'Content-Type: application/json' -d '{body}'",
            f"measure   ./inv validate --endpoint {url} --name {model}",
            "stop      Ctrl-C",
        )
    )


TASKS = (serve,)
