"""Suites, scoring by parsing programs, statistics, gates, comparison, reports. Never imports mlx."""
