"""The stages that run on the host. The only package that imports mlx."""

from typing import TYPE_CHECKING

from tunewright.contract.lazy import lazily
from tunewright.train.file_limit import keep_file_limit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from tunewright.contract.counts import Counts, Disk, Training
    from tunewright.contract.recipe import Recipe

__all__ = ["Counts", "Disk", "Training", "plan"]
__getattr__ = lazily(
    __name__,
    {name: f"tunewright.contract.counts:{name}" for name in ("Counts", "Disk", "Training")},
)

keep_file_limit()  # before anything here imports mlx-lm


def plan(recipe: "Recipe", config: "Mapping[str, Any] | str | Path", *, tokens: int = 0) -> "Counts":
    """Count what a recipe costs on a model, from the model's config.json alone: parameters, trained numbers, bytes of memory
    and of disk. Nothing is downloaded and no weight is made.

    `config` is a config.json's path or content; `tokens` the length of the longest example (0: the recipe's
    `max_seq_length`). Raises UserError for a config that mlx-lm does not know.
    """
    import json
    from pathlib import Path

    from tunewright.train.counting import count

    content = (
        json.loads(Path(config).read_text(encoding="utf-8")) if isinstance(config, str | Path) else config
    )
    return count(recipe, content, tokens)
