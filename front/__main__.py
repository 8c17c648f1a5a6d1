"""What the launcher starts, from whatever folder: `python -P front/__main__.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from front.door import Front

Front().run()
