"""The command `tunewright-audit`: audit a dataset, or ask it in SQL. The tasks `audit` and `sql` do the same."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tunewright.contract.console import Progress, say, spell_commands, spelled
from tunewright.contract.exits import ended, reader_gone
from tunewright.contract.outputs import check_outputs, is_stdout, write_page, write_result

if TYPE_CHECKING:
    from tunewright.audit.audited import AuditReport
    from tunewright.contract.recipe import Recipe

PROBES = Path(".tunewright", "probes")  # where the command `tunewright probe` keeps them
FORMATS = ("text", "github")
QUERY_FORMATS = ("table", "json", "csv", "parquet")
# What messages write as a task of a checkout, as somebody types it who has this wheel alone.
SPELLINGS = (
    ("./inv audit --data ", "tunewright-audit "),
    ("./inv sql ", "tunewright-audit sql "),
    ("./inv ", "tunewright "),
)
EXAMPLES = """examples:
  tunewright-audit train.jsonl --html audit.html
  tunewright-audit data/ --sarif audit.sarif --format github
  tunewright-audit sql "SELECT tool, count(*) FROM calls GROUP BY 1" train.jsonl

exit codes: 0 no check failed; 1 a check failed; 2 wrong usage or bad input"""


@dataclass(frozen=True)
class Outputs:
    """Where an audit's results go: file names, `-` for standard output, or empty for nowhere."""

    json: str = ""
    html: str = ""
    sarif: str = ""
    format: str = "text"  # of what is printed when nothing else goes to standard output

    def check(self, inputs: Iterable[Path]) -> None:
        """Raise UserError, before anything long, for a place that cannot be written to or that is an input."""
        check_outputs(self.json, self.html, self.sarif, inputs=inputs)

    def write(self, report: "AuditReport") -> None:
        """Write every result that is wanted."""
        if self.json:
            write_result(self.json, report.to_json())
        if self.html:
            from tunewright.audit.audit_page import html_report

            write_page(self.html, spelled(html_report(report)))
            say(f"page      {self.html}")
        if self.sarif:
            from tunewright.audit.sarif import sarif

            write_result(self.sarif, sarif(report))
        if any(map(is_stdout, (self.json, self.html, self.sarif))):
            return
        if self.format == "github":
            from tunewright.audit.annotations import annotation_lines

            print(spelled("\n".join(annotation_lines(report))))
        else:
            from tunewright.audit.terminal_report import terminal_text

            print(spelled(terminal_text(report)))


def audit_files(
    paths: Sequence[Path],
    outputs: Outputs,
    *,
    recipe: "Recipe | None" = None,
    config: Path | None = None,
    baseline: Path | None = None,
    suites: Sequence[Path] = (),
    named: Iterable[Path] = (),
    export: Path | None = None,
    accept: Mapping[str, str] | None = None,
    probes: Path | None = None,
    watch: bool = False,
) -> int:
    """Audit the files, write the outputs and return the exit code: 1 when a check failed.

    `named` are further files that are read, so that no output replaces them. With `watch`, all of it is done again after
    each change, until Ctrl-C. Raises UserError as `audit_dataset` does.
    """
    from tunewright.audit.audited import audit_dataset
    from tunewright.chat.reading.files import find_files
    from tunewright.contract.errors import UserError

    def inputs() -> Iterator[Path]:
        # Asked for after the outputs' own places were checked: those need no data.
        yield from (file.path for file in find_files(paths))
        yield from others

    def once() -> int:
        outputs.check(inputs())
        report = audit_dataset(
            paths,
            recipe=recipe,
            config=config,
            baseline=baseline,
            suites=suites,
            report=Progress("audit").share,
            export=export,
            accept=accept,
            probes=probes,
        )
        if export:
            say(f"rows      {export}")
        outputs.write(report)
        return int(report.verdict == "fail")

    others = [*(path for path in (config, baseline) if path), *named, *suites]
    if not watch:
        return once()
    from tunewright.audit.watch import audit_on_change

    if export:
        raise UserError("--export and --watch together", "Export when the data are as they should be.")
    outputs.check(())
    return audit_on_change(once, paths, others)


def print_query(
    query: str, data: Sequence[Path], runs: Path | None, format: str = "table", config: Path | None = None
) -> int:
    """Run a query over a dataset, finished runs, or both, and print its answer. Raises UserError as `run_query` does."""
    from tunewright.audit.sql import run_query

    answer = run_query(query, data, runs, format, config, for_terminal=sys.stdout.isatty())
    if isinstance(answer, bytes):
        sys.stdout.buffer.write(answer)
    else:
        print(answer)
    return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and end the process with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    spell_commands(*SPELLINGS)
    try:
        code = ended(lambda: _sql(given[1:]) if given[:1] == ["sql"] else _audit(given))
        sys.stdout.flush()
    except BrokenPipeError:
        code = reader_gone()
    sys.exit(code)


def _audit(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        "tunewright-audit",
        description="Find what a model could learn instead of the request: shortcuts, leaks, broken calls.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(parser)
    parser.add_argument("--recipe", metavar="TOML", help="also check truncation and masking as it trains")
    parser.add_argument(
        "--suite", metavar="FILE", action="append", default=[], help="cases that train must not hold"
    )
    parser.add_argument(
        "--json", metavar="FILE", default="", help="write the findings as JSON; - is standard output"
    )
    parser.add_argument("--html", metavar="FILE", default="", help="write a page")
    parser.add_argument("--sarif", metavar="FILE", default="", help="write SARIF 2.1.0")
    parser.add_argument("--baseline", metavar="JSON", help="an earlier audit's JSON: report only what is new")
    parser.add_argument("--config", metavar="TOML", help="suppresses, re-grades or adds checks")
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="text, or annotations for GitHub's log"
    )
    parser.add_argument(
        "--export", metavar="FOLDER", help="write clean rows, and rejected ones with the reasons"
    )
    parser.add_argument(
        "--accept",
        metavar="CHECK",
        action="append",
        default=[],
        help="its warnings do not count; needs --why",
    )
    parser.add_argument("--why", metavar="REASON", default="", help="for which they are accepted")
    parser.add_argument(
        "--watch",
        metavar="FILE",
        action="append",
        default=[],
        help="data, and audit again after each change, until Ctrl-C",
    )
    parser.add_argument("--version", action="version", version=f"tunewright-audit {_version()}")
    wanted = parser.parse_args(arguments)
    paths = _files(parser, wanted)
    recipe = None
    if wanted.recipe:
        from tunewright.contract.recipe import load_recipe

        recipe = load_recipe(wanted.recipe)
    return audit_files(
        paths,
        Outputs(wanted.json, wanted.html, wanted.sarif, wanted.format),
        recipe=recipe,
        config=Path(wanted.config) if wanted.config else None,
        baseline=Path(wanted.baseline) if wanted.baseline else None,
        suites=[Path(name) for name in wanted.suite],
        named=[Path(wanted.recipe)] if recipe else [],
        export=Path(wanted.export) if wanted.export else None,
        accept=dict.fromkeys(map(str, wanted.accept), str(wanted.why)),
        probes=PROBES,
        watch=bool(wanted.watch),
    )


def _sql(arguments: Sequence[str]) -> int:
    from tunewright.audit.sql import STATS

    parser = argparse.ArgumentParser(
        "tunewright-audit sql", description="Ask a dataset, or finished runs, in DuckDB's SQL."
    )
    parser.add_argument(
        "query",
        nargs="?",
        help="over the views examples, messages, calls, tools, features, findings, understood, runs, …",
    )
    _add_files(parser)
    parser.add_argument("--runs", metavar="FOLDER", help="a folder of runs")
    parser.add_argument(
        "--format", choices=QUERY_FORMATS, default="table", help="table, json, csv or parquet"
    )
    parser.add_argument("--config", metavar="TOML", help="how rows of an unknown shape are read")
    parser.add_argument("--stats", choices=STATS, help="that view instead of a query")
    wanted = parser.parse_args(arguments)
    query, names = wanted.query, [*wanted.files, *wanted.data]
    if wanted.stats:
        query, names = f"FROM {wanted.stats}", [*([query] if query else []), *names]
    elif not query:
        parser.error("no query given: write one, or --stats balance")
    paths = [Path(name) for name in names]
    runs = Path(wanted.runs) if wanted.runs else None
    return print_query(query, paths, runs, wanted.format, Path(wanted.config) if wanted.config else None)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="data: a file, a folder with splits, or a glob"
    )
    parser.add_argument(
        "--data", metavar="FILE", action="append", default=[], help="the same, as ./inv takes it"
    )


def _files(parser: argparse.ArgumentParser, wanted: argparse.Namespace) -> list[Path]:
    names = [*wanted.files, *wanted.data, *wanted.watch]
    if not names:
        parser.error("no data given: name a .jsonl file, or a folder with train.jsonl and valid.jsonl")
    return [Path(name) for name in names]


def _version() -> str:
    from importlib.metadata import version

    return version("tunewright-audit")
