"""The stages that run on the host. The only package that imports mlx."""
