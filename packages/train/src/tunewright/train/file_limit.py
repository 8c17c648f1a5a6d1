"""mlx-lm raises the limit of open files when it is imported, which an ordinary user may not where less is allowed.

`mlx_lm.utils` calls `setrlimit(RLIMIT_NOFILE, (2048, 4096))` at its top: on a shared host with a hard limit
of 1,024, as in some containers, that is a ValueError, and nothing trains. It works with fewer.
"""

import resource


def keep_file_limit() -> None:
    """From now on in this process, setting the limit of open files goes as far as is allowed instead of failing."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    set_limit = resource.setrlimit
    if allowed == resource.RLIM_INFINITY or getattr(set_limit, "within_file_limit", False):
        return

    def within(kind: int, limits: tuple[int, int], /) -> None:
        if kind == resource.RLIMIT_NOFILE:
            limits = min(limits[0], allowed), min(limits[1], allowed)
        set_limit(kind, limits)

    within.within_file_limit = True  # type: ignore[attr-defined]
    resource.setrlimit = within
