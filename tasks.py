"""The file that Invoke looks for. The tasks are those of the command `tunewright`: packages/cli/src/tunewright/cli/tasks.py.

`invoke` hands over to the same program as `./inv`, so that output and exit codes are the same.
"""

import sys

try:
    from tunewright.cli.invoke_program import Front
    from tunewright.cli.tasks import ns
except ModuleNotFoundError as error:
    typed = " ".join(["./inv", *sys.argv[1:]])
    sys.stderr.write(f"error: this `invoke` is outside the locked environment ({error}); type: {typed}\n")
    sys.exit(2)

__all__ = ["ns"]

# The command `invoke`, or `python -m invoke`, has loaded this file and begun nothing.
if "invoke.main" in sys.modules:
    Front().run(["invoke", *sys.argv[1:]])
    sys.exit(0)
