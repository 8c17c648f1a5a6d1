"""A host that allows few open files trains too, although mlx-lm asks for more of them when it is imported."""

import subprocess
import sys

ASKS = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)); {}; import mlx_lm.utils; "
SAYS = "print(resource.getrlimit(resource.RLIMIT_NOFILE))"


def limit_after(first: str) -> str:
    """The limits once mlx-lm is imported. Without the guard an ordinary user gets a ValueError, and root more files."""
    done = subprocess.run(
        [sys.executable, "-c", ASKS.format(first) + SAYS], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_mlx_lm_takes_what_the_host_allows() -> None:
    assert limit_after("import tunewright.train") == "(1024, 1024)"


def test_mlx_lm_alone_does_not() -> None:
    """When this fails, mlx-lm no longer sets the limit, and file_limit.py can go."""
    assert limit_after("pass") != "(1024, 1024)"
