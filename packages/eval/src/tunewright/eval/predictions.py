"""Reading what models answered: `predictions/<model>/<suite>.jsonl`."""

from pathlib import Path

from pydantic import ValidationError

from tunewright.contract.errors import UserError
from tunewright.contract.example import read_jsonl
from tunewright.contract.suite import Prediction


def read_predictions(path: Path) -> list[Prediction]:
    """Read `predictions/<model>/<suite>.jsonl`. Raises UserError with `file:line`."""
    predictions: list[Prediction] = []
    for number, value in read_jsonl(path):
        try:
            predictions.append(Prediction.model_validate(value))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "prediction"
            raise UserError(
                f"{path}:{number}: {where}: {first['msg']}", "See docs/formats.md, section predictions."
            ) from error
    return predictions
