"""What a stage's output depends on, as one hash. Equal keys, equal outputs: a finished one is used again."""

from tunewright.contract.rehearsal import HELD_OUT
from tunewright.contract.run import RunSpec, Stage
from tunewright.contract.stage_code import StageCode

_MODELS = ("mlx", "mlx-lm")
_TOKENS = ("jinja2", "tokenizers", "transformers")
# Journal, lock and queue are not part of a stage's code: they can change without changing a result.
CODE: dict[Stage, StageCode] = {
    "train": StageCode("train", 1, (*_MODELS, *_TOKENS, "numpy")),
    "fuse": StageCode("fuse", 1, _MODELS),
    "quantize": StageCode("quantize", 1, _MODELS),
    "fidelity": StageCode("fidelity", 1, (*_MODELS, *_TOKENS, "numpy")),
    "predict": StageCode("predict", 2, (*_MODELS, *_TOKENS, "numpy")),
}


def stage_keys(spec: RunSpec, base: str) -> dict[Stage, str]:
    """Each stage's key; `base` is the base model's identity."""
    recipe = spec.recipe
    train = CODE["train"].key(
        {
            "base": base,
            "dtype": recipe.model.dtype,
            "train": recipe.train.model_dump(),
            "seed": recipe.seed,
            "data": {split: spec.data.get(split) for split in ("train", "valid")},
        }
    )
    fuse = CODE["fuse"].key(train)
    quantize = CODE["quantize"].key(fuse, recipe.quantize.model_dump())
    # A base's own answers, whose perplexity is measured, are in this split; most data have none.
    held_out = [spec.data[HELD_OUT]] if HELD_OUT in spec.data else []
    fidelity = CODE["fidelity"].key(quantize, *held_out)
    predict = CODE["predict"].key(quantize, recipe.predict.model_dump(), spec.suites, spec.base_note)
    return {"train": train, "fuse": fuse, "quantize": quantize, "fidelity": fidelity, "predict": predict}


def prediction_key(spec: RunSpec, base: str, keys: dict[Stage, str], model: str, suite: str) -> str:
    """The key of one file of predictions: of its model and suite alone.

    So the base model's answers, which are the control of every run, are generated once.
    """
    of_model: object = {
        "base": [base, spec.recipe.model.dtype, spec.base_note],
        "adapter": keys["train"],
        "fused": keys["fuse"],
        "quantized": keys["quantize"],
    }[model]
    settings = spec.recipe.predict.model_dump(exclude={"models", "tell_base"})
    # Only drawn answers depend on the seed: at temperature 0 a recipe with another one uses the same base's answers again.
    seed = spec.recipe.seed if spec.recipe.predict.temperature > 0 else None
    return CODE["predict"].key(model, of_model, suite, spec.suites[suite], settings, seed)
