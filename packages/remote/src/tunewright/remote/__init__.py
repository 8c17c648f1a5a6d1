"""Hosts: connection, environment, transfer, detached jobs. Never imports mlx or duckdb."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily

if TYPE_CHECKING:
    from tunewright.remote.host import Host, open_host
    from tunewright.remote.job import run_status
    from tunewright.remote.run_list import RunRow, list_runs

__all__ = ["Host", "RunRow", "list_runs", "open_host", "run_status"]
__getattr__ = lazily(
    __name__,
    {
        "Host": "tunewright.remote.host:Host",
        "RunRow": "tunewright.remote.run_list:RunRow",
        "list_runs": "tunewright.remote.run_list:list_runs",
        "open_host": "tunewright.remote.host:open_host",
        "run_status": "tunewright.remote.job:run_status",
    },
)
