"""The files of `embedded:tiny` on this machine, where the trainer's package need not be installed."""

import zipfile
from pathlib import Path, PurePosixPath

from tunewright.cli.invoke_program import ROOT
from tunewright.cli.pipeline import WORK
from tunewright.contract.console import say

MODEL = PurePosixPath("tunewright", "train", "tiny", "model")  # in the package's sources and in its wheel
SOURCES = ROOT / "packages" / "train" / "src" / MODEL


def tiny_model() -> Path:
    """The model's folder: in a checkout's sources, or else unpacked, once, from the wheel that hosts get.

    Raises UserError for an installed copy that has no such wheel.
    """
    from tunewright.contract.atomic import atomic_folder
    from tunewright.remote.bundle import prepare_shipment

    if SOURCES.is_dir():
        return SOURCES
    shipment = prepare_shipment(ROOT, say)
    folder = WORK / "embedded" / shipment.hash
    if folder.is_dir():
        return folder
    try:
        with zipfile.ZipFile(shipment.trainer) as wheel, atomic_folder(folder) as temporary:
            for entry in map(PurePosixPath, wheel.namelist()):
                if entry.parent == MODEL:
                    (temporary / entry.name).write_bytes(wheel.read(str(entry)))
    except OSError:
        if not folder.is_dir():  # it is there when another process was faster
            raise
    return folder
