"""What the launcher starts, from whatever folder: `python -P -m tunewright.cli`."""

from tunewright.cli.invoke_program import Front

Front().run()
