"""What this host computes with."""

import platform
import sys
from importlib.metadata import version
from typing import Any

from tunewright.train.blas import choose_blas, has_compiler
from tunewright.train.machine import physical_memory


def facts() -> dict[str, Any]:
    """Versions, device and memory. Imports mlx."""
    import mlx.core as mx

    info: dict[str, Any] = dict(mx.device_info())
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "mlx": version("mlx"),
        "mlx_lm": version("mlx-lm"),
        "device": "gpu" if mx.default_device() == mx.Device(mx.gpu) else "cpu",
        "metal": mx.metal.is_available(),
        "device_info": {key: value for key, value in info.items() if isinstance(value, int | float | str)},
        "memory": physical_memory(),
        "blas": choose_blas().name if sys.platform.startswith("linux") else None,
        "compiler": has_compiler(),
    }
