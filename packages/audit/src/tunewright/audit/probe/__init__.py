"""A probe: a small model trained on a dataset, asked the same requests in another structure."""
