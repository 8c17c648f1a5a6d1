"""Structural audit of fine-tuning datasets: DuckDB over JSONL, one check a file."""
