"""The task that writes cards for the model hub."""

from pathlib import Path

from invoke.context import Context

from tunewright.cli.invoke_program import command
from tunewright.cli.runs import RUN, find
from tunewright.contract.console import Progress
from tunewright.contract.outputs import check_outputs, is_stdout, write_page


@command(
    iterable=["data"],
    data="the dataset that the card is about: a file, a folder with splits, or a glob; repeatable",
    run="the run whose model the card is about; " + RUN,
    out="the file to write, which must not be there yet; - for standard output",
    croissant="with --data: write Croissant metadata (JSON-LD) to this file",
    licence="one of the hub's licence identifiers, as mit or cc-by-4.0",
)
def card(
    c: Context,
    data: list[str] = [],
    run: str = "",
    out: str = "-",
    croissant: str = "",
    licence: str = "unknown",
) -> None:
    """Write a dataset's or a model's card in the hub's format, and Croissant metadata of a dataset."""
    from tunewright.contract.errors import UserError

    if data and run:
        raise UserError("--data and --run are two cards", "Write one after the other.")
    if croissant and not data:
        raise UserError(
            "--croissant describes a dataset", "Name it: ./inv card --data FOLDER --croissant FILE"
        )
    for name in filter(None, (out, croissant)):
        if not is_stdout(name) and Path(name).exists():
            raise UserError(
                f"{name} exists", "A card that somebody has edited is not replaced: name another file."
            )
    check_outputs(out, croissant)
    if data:
        _dataset([Path(name) for name in data], out, croissant, licence)
    else:
        _model(run, out, licence)


def _dataset(paths: list[Path], out: str, croissant: str, licence: str) -> None:
    from tunewright.audit.audited import audit_dataset
    from tunewright.audit.dataset_card import card_files, croissant_text, dataset_card
    from tunewright.audit.dataset_card import croissant as metadata

    report = audit_dataset(paths, report=Progress("audit").share)
    written = next((name for name in (out, croissant) if name and not is_stdout(name)), "")
    folder = Path(written).parent if written else paths[0] if paths[0].is_dir() else paths[0].parent
    files = card_files(report, folder)
    name = (paths[0] if paths[0].is_dir() else paths[0].parent).resolve().name
    write_page(out, dataset_card(name, licence, files, report))
    if croissant:
        write_page(croissant, croissant_text(metadata(name, licence, files)))


def _model(run: str, out: str, licence: str) -> None:
    from tunewright.eval.model_card import model_card
    from tunewright.eval.run_scores import judge_run

    folder = find(run)
    write_page(out, model_card(folder.read_spec(), judge_run(folder), licence))


TASKS = (card,)
