"""The page: everything a report has, in an order in which it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from cutflow_cli.artifacts import write_text
from cutflow_cli.evaluation.html import words
from cutflow_cli.evaluation.html.layout import Table, lay_out
from cutflow_cli.evaluation.html.pictures import Picture, pictures_of
from cutflow_cli.evaluation.present import printed_sections
from cutflow_cli.evaluation.printed import PrintedTable
from cutflow_cli.evaluation.report import Report
from cutflow_cli.evaluation.side_by_side import comparison_table
from cutflow_cli.runs import Run

PAGE = "report.html"
_TEMPLATE, _STYLE = "report.html.jinja", "style.css"


@dataclass(frozen=True, slots=True)
class RunSection:
    """What the page says of one run.

    Attributes:
        anchor: its place in the page.
        name: what tables call the run.
        method: its method.
        facts: what was trained on what.
        settings: every setting.
        features: the columns; None where they are those of an earlier run.
        same_features: anchor and name of the first run with these features.
        selections: those quoted, in words.
        many: all of them as a table, where they are too many to read one by one.
        folds: number of its folds; 0 without.
        warnings: what a reader should worry about, as the training said.
        notes: what else the training said of its result.
        pictures: its figures.
        provenance: how it came about.
    """

    anchor: str
    name: str
    method: str
    facts: tuple[words.Fact, ...]
    settings: tuple[words.Fact, ...]
    features: Table | None
    same_features: tuple[str, str]
    selections: tuple[words.Selection, ...]
    many: Table | None
    folds: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    provenance: tuple[words.Fact, ...]


@dataclass(frozen=True, slots=True)
class TableSection:
    """Tables of one kind."""

    anchor: str
    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the template is filled with.

    Attributes:
        title: what was evaluated.
        facts: what all numbers have in common.
        summary: the runs side by side.
        warnings: what a reader should worry about.
        notes: what a reader should know.
        runs: run by run.
        tables: all further tables.
        pictures: figures of all runs.
        preselection: what the events had passed before.
        provenance: how the report came about.
    """

    title: str
    facts: tuple[words.Fact, ...]
    summary: Table
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    runs: tuple[RunSection, ...]
    tables: tuple[TableSection, ...]
    pictures: tuple[Picture, ...]
    preselection: tuple[str, ...]
    provenance: tuple[words.Fact, ...]


def write_html(report: Report, runs: Sequence[tuple[str, Run]], directory: Path) -> Path:
    """Write a report as one page that needs no other file, no network and no script.

    The same report gives the same bytes.

    Args:
        report: the report.
        runs: the runs evaluated and what the report calls them, with the cuts as `train` wrote them.
        directory: where the page goes, and where the report's figures are.

    Returns:
        The file written.

    Raises:
        InputError: if a figure of the report is missing.
    """
    path = directory / PAGE
    write_text(path, render(make_page(report, runs, directory)))
    return path


def make_page(report: Report, runs: Sequence[tuple[str, Run]], directory: Path) -> Page:
    """Put together what the page says; for the arguments see `write_html`."""
    manifest = report.manifest
    pictures = pictures_of(report, [run.name for _, run in runs], directory)
    summary = comparison_table(report)
    return Page(
        title=words.title_of(manifest),
        facts=tuple(words.report_facts(report)),
        summary=lay_out(summary, "summary-table"),
        warnings=manifest.warnings,
        notes=manifest.notes,
        runs=_run_sections(report, runs, pictures),
        tables=_table_sections(report, runs, summary),
        pictures=pictures.get(None, ()),
        preselection=manifest.preselection,
        provenance=tuple(words.report_provenance(manifest)),
    )


def _run_sections(
    report: Report, runs: Sequence[tuple[str, Run]], pictures: Mapping[str | None, tuple[Picture, ...]]
) -> tuple[RunSection, ...]:
    features: dict[PrintedTable, tuple[str, str]] = {}
    found: list[RunSection] = []
    for number, (record, (name, run)) in enumerate(zip(report.manifest.runs, runs, strict=True), start=1):
        anchor = f"run-{number}"
        table = words.features_table(run)
        first = features.setdefault(table, (anchor, name))
        selections = words.selections_of(record, run)
        many = words.selections_table(selections)
        section = RunSection(
            anchor=anchor,
            name=name,
            method=run.manifest.method,
            facts=tuple(words.run_facts(record, run)),
            settings=words.settings_of(run),
            features=lay_out(table, f"{anchor}-features") if first[0] == anchor else None,
            same_features=first,
            selections=selections,
            many=None if many is None else lay_out(many, f"{anchor}-selections"),
            folds=len(run.folds),
            warnings=run.manifest.warnings,
            notes=run.manifest.notes,
            pictures=pictures.get(name, ()),
            provenance=tuple(words.run_provenance(run)),
        )
        found.append(section)
    return tuple(found)


def _table_sections(report: Report, runs: Sequence[tuple[str, Run]], summary: PrintedTable) -> tuple[TableSection, ...]:
    """Lay out all tables that `evaluate` prints, but for the one that the page begins with."""
    found: list[TableSection] = []
    number = 0
    for section in printed_sections(report, runs, stability=True):
        tables = []
        for table in section.tables:
            if table != summary:
                number += 1
                tables.append(lay_out(table, f"table-{number}"))
        if tables:
            found.append(TableSection(f"tables-{len(found) + 1}", section.title, tuple(tables)))
    return tuple(found)


def render(page: Page) -> str:
    """Fill the template."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string(_resource(_TEMPLATE))
    return template.render(page=page, style=_resource(_STYLE))


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
