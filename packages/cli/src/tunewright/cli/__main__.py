"""What the launcher starts, from whatever folder: `python -P -m tunewright.cli`."""

from tunewright.cli.door import Front

Front().run()
