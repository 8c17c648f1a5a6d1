"""What the launcher starts, from whatever folder: `python -P -m tunewright.cli`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[5]))

from tunewright.cli.door import Front

Front().run()
