"""What a stage's output depends on, as one hash. Equal keys, equal outputs: a finished one is used again."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tunewright import contract
from tunewright.contract.atomic import sha256_file, sha256_json
from tunewright.contract.run import RunSpec, Stage

# What computes outputs. The worker, its journal and its lock can change without changing a result.
MODULES = (
    "base",
    "batches",
    "checkpoint",
    "embedded",
    "encode",
    "fidelity",
    "fuse",
    "gguf",
    "gguf_model",
    "fingerprints",
    "cpu_math",
    "cpu_streams",
    "lora",
    "loss",
    "models",
    "predict",
    "predict_part",
    "quantize",
    "ranks",
    "served",
    "stages",
    "tensors",
    "training",
)
# Of the contract's modules, those that decide the tokens.
RENDERING = ("chat_template", "encoding", "loss_mask", "template_support")
LIBRARIES = ("mlx", "mlx-lm", "transformers", "tokenizers", "numpy")


@cache
def code_version() -> str:
    """A hash of the modules that compute, and of the versions of what they compute with."""
    folder = Path(__file__).parent
    files = {name: sha256_file(folder / f"{name}.py") for name in MODULES}
    files |= {name: sha256_file(Path(contract.__path__[0], f"{name}.py")) for name in RENDERING}
    versions: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return sha256_json([files, versions])


def stage_keys(spec: RunSpec, base: str) -> dict[Stage, str]:
    """Each stage's key; `base` is the base model's identity."""
    recipe, code = spec.recipe, code_version()
    train = sha256_json(
        {
            "code": code,
            "base": base,
            "dtype": recipe.model.dtype,
            "train": recipe.train.model_dump(),
            "seed": recipe.seed,
            "data": {split: spec.data.get(split) for split in ("train", "valid")},
        }
    )
    fuse = sha256_json(["fuse", train])
    quantize = sha256_json(["quantize", fuse, recipe.quantize.model_dump()])
    fidelity = sha256_json(["fidelity", quantize])
    predict = sha256_json(["predict", quantize, recipe.predict.model_dump(), spec.suites, spec.base_note])
    return {"train": train, "fuse": fuse, "quantize": quantize, "fidelity": fidelity, "predict": predict}


def prediction_key(spec: RunSpec, base: str, keys: dict[Stage, str], model: str, suite: str) -> str:
    """The key of one file of predictions: of its model and suite alone.

    So the base model's answers, which are the control of every run, are generated once.
    """
    of_model = {
        "base": sha256_json([code_version(), base, spec.recipe.model.dtype, spec.base_note]),
        "adapter": keys["train"],
        "fused": keys["fuse"],
        "quantized": keys["quantize"],
    }[model]
    settings = spec.recipe.predict.model_dump(exclude={"models", "tell_base"})
    return sha256_json([model, of_model, suite, spec.suites[suite], settings, spec.recipe.seed])
