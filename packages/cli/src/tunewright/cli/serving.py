"""The task that serves a run's model."""

import json

from invoke.context import Context

from tunewright.cli.door import ROOT, command
from tunewright.cli.runs import RUN, find
from tunewright.cli.steps import say

QUESTION = "Find every place that uses the class Cache."


@command(
    run=RUN,
    host="where it is served: local, or a name from ~/.ssh/config (default: where the run is)",
    port="the port of this machine; 0: a free one",
)
def serve(c: Context, run: str = "", host: str = "", port: int = 8080) -> None:
    """Serve a run's quantized model as an OpenAI-compatible endpoint, until Ctrl-C."""
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import open_host
    from tunewright.remote.serving import model_on_host, serve_model

    chosen = find(run)
    name = chosen.path.name
    with open_host(host or chosen.read_spec().host, ROOT) as machine:
        folder = model_on_host(machine, chosen)
        environment = install_environment(machine, ROOT, say)
        say(f"serve     {name} on {machine.name}")
        try:
            with serve_model(machine, environment.python, folder, name, port, tell) as served:
                print(how_to_call(served.model, served.url), flush=True)
                served.wait()
        except KeyboardInterrupt:
            say("serve     stopped")


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
