"""Settings for every test."""

from hypothesis import settings

# No deadline: a loaded machine makes an example slow, which says nothing about the code; pytest's own time
# limit still ends what hangs. Derandomized, so that a failure is the same failure everywhere.
settings.register_profile("tunewright", deadline=None, derandomize=True)
settings.load_profile("tunewright")
