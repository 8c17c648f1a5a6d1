"""What a recipe costs on a model: the answer of `tunewright.train.counting` and the question of a plan."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """Frozen, and a key it does not know is an error. Every size is in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Training(Table):
    """Memory of one process in a training step at its largest, part by part."""

    weights: int  # the base model as it is held
    state: int  # adapters, their gradients, two moments of Adam
    activations: int  # what the backward pass needs of the layers it goes through, attention included
    logits: int
    batch_tokens: int  # the batch that was assumed: examples times tokens
    loss_tokens: int  # of them with loss

    @property
    def total(self) -> int:
        return self.weights + self.state + self.activations + self.logits


class Disk(Table):
    """What each stage needs on the host, and the base model when it has to be fetched."""

    base: int
    train: int  # checkpoints and best adapters; the adapters alone stay
    fuse: int
    quantize: int


class Counts(Table):
    """Counted exactly from a config and a recipe, but for `training` and `disk.base`, which are estimates."""

    parameters: int
    trained: int
    float16_bytes: int
    base_bytes: int  # in memory
    quantized_bytes: int
    bits_per_weight: float
    adapter_bytes: int
    training: Training
    disk: Disk

    @property
    def trained_share(self) -> float:
        return self.trained / self.parameters
