"""How much of what a base could say is lost by training: the perplexity of its own answers to prompts that were held out."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError


class Forgetting(BaseModel):
    """What the fidelity stage measured: perplexities before training, after it, and of the model that is delivered."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rows: int
    tokens: int
    before: FiniteFloat
    after: FiniteFloat
    delivered: FiniteFloat
    answered_by: tuple[str, ...] = ()

    @property
    def whose(self) -> str:
        """Who gave the answers."""
        return ", ".join(self.answered_by) or "the base"

    @property
    def text(self) -> str:
        """In a sentence."""
        return (
            f"perplexity of {self.rows:,} held-out answers of {self.whose} ({self.tokens:,} tokens): {self.before:.2f} "
            f"before training, {self.after:.2f} after, {self.delivered:.2f} as delivered"
        )


def read_forgetting(fidelity: Mapping[str, Any]) -> Forgetting | None:
    """Out of the facts of the fidelity stage; None where the data hold no such answers, or what they hold cannot be read."""
    try:
        return Forgetting.model_validate(fidelity.get("forgetting"))
    except ValidationError:
        return None
