"""The laptop's part of a run, by the functions that the commands call: `faults_client.py CHECKOUT RUN`.

Ships and starts the run where it was never started, as `resume` does; then follows and pulls it, as `attach` does.
"""

import sys
from pathlib import Path

from tunewright.cli import pipeline
from tunewright.contract.errors import UserError
from tunewright.contract.run import RunFolder
from tunewright.remote import follow, retry
from tunewright.remote.host import open_host
from tunewright.remote.job import resume_run, run_status


def main() -> int:
    checkout, run = Path(sys.argv[1]), RunFolder(Path(sys.argv[2]))
    pipeline.ROOT = checkout
    # Shorter than a user's, so that a trial takes seconds.
    follow.POLL, follow.SILENCE, retry.WAITS = 0.05, 1.0, (0.05, 0.1, 0.2)
    host = run.read_spec().host
    try:
        with open_host(host, checkout) as machine:
            if run_status(machine, run).hint.startswith("./inv resume"):
                resume_run(machine, run)
        pipeline.attach_to(host, run)
    except UserError as error:
        sys.stderr.write(f"error: {error.message}\n  {error.hint}\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
