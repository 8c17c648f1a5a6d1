"""Hosts: connection, environment, transfer, detached jobs. Never imports mlx or duckdb."""
