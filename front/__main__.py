"""`python -m front`: what the launcher starts."""

from front.door import Front

Front().run()
