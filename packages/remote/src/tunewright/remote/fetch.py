"""A base model brought to a host from the hub: the host fetches it, and this machine looks on."""

import json
import os
from collections.abc import Callable

from tunewright.contract.base_lock import BaseLock
from tunewright.contract.errors import HostError
from tunewright.contract.visible import one_line
from tunewright.remote.environment import Environment
from tunewright.remote.host import Host
from tunewright.remote.retry import persist

LONGEST = 24 * 3600.0  # seconds


def fetch_base(
    host: Host,
    environment: Environment,
    lock: BaseLock,
    report: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> int:
    """Bring a base model to the host; the bytes that were fetched, 0 when it was there. `progress` gets bytes.

    A lost connection does not stop it: it goes on without this machine, which comes back and looks on. What is there
    is never fetched twice. Raises HostError when the hub does not give it.
    """
    seen = [0]
    # By standard input, not as a variable: an environment would be visible in the host's list of processes.
    question = {"lock": lock.model_dump(by_alias=True), "endpoint": os.environ.get("HF_ENDPOINT", "")}

    def look(line: str) -> None:
        try:
            said = json.loads(line)
            seen[0], total = int(said["done"]), int(said["total"])
        except (ValueError, LookupError, TypeError):
            report(f"  {one_line(line)}")
            return
        progress(seen[0], total)

    done = persist(
        lambda: host.run(
            [environment.python, "-P", "-m", "tunewright.train.fetch"],
            stdin=json.dumps(question).encode(),
            timeout=LONGEST,
            on_line=look,
        ),
        report,
        progress=lambda: seen[0],
    )
    try:
        answer = json.loads(done.text.splitlines()[-1])
        if "error" not in answer:
            return int(answer["fetched"])
        message, hint = str(answer["error"]), str(answer.get("hint", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise HostError(f"{host.name}: fetching {lock.repository} failed: {done.reason}") from None
    raise HostError(f"{host.name}: {message}", hint)
