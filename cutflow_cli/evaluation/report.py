"""The report directory: `report.json` and the tables of `table_files.TABLES`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cutflow_cli.apply.as_run import METHOD as FILE_OF_CUTS
from cutflow_cli.artifacts import RUN_SCHEMA_VERSION, read_json, write_json
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.comparison import Comparison, compare_splits
from cutflow_cli.evaluation.detail_rows import CorrelationRow, OverlapRow, TotalsRow, VariantRow
from cutflow_cli.evaluation.hypotheses import CutDistance, HypothesisSummary, summarise_hypotheses
from cutflow_cli.evaluation.printed import listed
from cutflow_cli.evaluation.rows import CutFlowRow, MetricRow, RocRow
from cutflow_cli.evaluation.saved_cut_flow_files import ORIGIN_KEY, CountedFile, CutFlowOrigin
from cutflow_cli.evaluation.table_files import TABLES, read_rows, write_rows
from cutflow_cli.evaluation.variation_rows import VariationRow
from cutflow_cli.events.schema import Role, Split
from cutflow_cli.metrics.systematics import BackgroundSystematics

MANIFEST = "report.json"
FIGURES = "figures"
#: Changed with the meaning of the tables, so that a report of an earlier version is not taken for a finished one.
FORMAT = 7
#: More sources of systematic variations than this are counted rather than named.
_SOURCES_NAMED = 4


@dataclass(frozen=True, slots=True)
class ReportManifest:
    """What a report was made from: `report.json`.

    Attributes:
        digest: digest of inputs and settings.
        split: the split that numbers are quoted on.
        figure_options: how figures of merit were computed (`metrics.options.FigureOptions`).
        runs: name, path, method and digest of each run, the working point that it is quoted at, what its ROC curve is
            of, and, where it has selections for single mass points, those that were held out.
        data: path, digest and number of events of the events file.
        processes: name and role of each process.
        luminosity: in fb⁻¹; None where weights came as yields.
        preselection: what the events had passed before.
        systematic_variations: name, source, weight, and processes of each that counts.
        notes: what a reader should know of how the events were understood, a sentence each.
        warnings: what a reader should worry about, a sentence each.
        figures: files below `figures/`.
        versions: of the program and the libraries that the numbers depend on.
        command: the command line.
        schema_version: of this directory.
    """

    digest: str
    split: Split
    figure_options: dict[str, Any]
    runs: tuple[dict[str, Any], ...]
    data: dict[str, Any]
    processes: tuple[tuple[str, Role], ...]
    luminosity: float | None = None
    preselection: tuple[str, ...] = ()
    systematic_variations: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    command: str | None = None
    schema_version: int = RUN_SCHEMA_VERSION

    @property
    def cut_flow_origin(self) -> CutFlowOrigin:
        """What the cut flows were counted from, which their table says too, wherever it is copied."""
        data = (CountedFile(str(self.data["path"]), str(self.data["digest"])),)
        return CutFlowOrigin(
            self.split, data, self.processes, self.luminosity, self.preselection,
            digest=self.digest, command=self.command,
        )  # fmt: skip

    @property
    def by_folds(self) -> bool:
        """Whether all events are quoted, each judged by a training that did not see it."""
        trained = [run for run in self.runs if run["method"] != FILE_OF_CUTS]
        return bool(trained) and all(run.get("folds") for run in trained)

    @property
    def quoted(self) -> str:
        """Which events numbers are quoted on, in words."""
        return "all events by folds" if self.by_folds else f"split {self.split}"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report.

    Attributes:
        path: its directory.
        manifest: what it was made from.
        metrics: every metric of every flow on every split, and those of the runs' curves.
        cut_flow: every process after every condition of the preselection and every cut of every flow, on every split.
        roc: where each flow lies in the ROC plane, and the runs' curves.
        totals: signal against background after every cut of every flow, on every split.
        n_minus_1: the quoted selections on the quoted split with each cut left out.
        stability: likewise with each boundary moved.
        overlap: events that pairs of quoted selections have in common, likewise.
        correlations: of the features, on the quoted split.
        variations: consensus selections under systematic variations, likewise.
        fresh: whether this call made it, rather than found it finished.
    """

    path: Path
    manifest: ReportManifest
    metrics: tuple[MetricRow, ...]
    cut_flow: tuple[CutFlowRow, ...]
    roc: tuple[RocRow, ...]
    totals: tuple[TotalsRow, ...] = ()
    n_minus_1: tuple[VariantRow, ...] = ()
    stability: tuple[VariantRow, ...] = ()
    overlap: tuple[OverlapRow, ...] = ()
    correlations: tuple[CorrelationRow, ...] = ()
    variations: tuple[VariationRow, ...] = ()
    fresh: bool = True

    @property
    def formulas(self) -> dict[str, str]:
        """The user's figures of merit, by name."""
        return dict(self.manifest.figure_options["formulas"])

    @property
    def background_uncertainty(self) -> str:
        """What σ_B is made of, in words."""
        recorded = self.manifest.figure_options["background_systematic"]
        systematics = BackgroundSystematics(recorded["common"], tuple(recorded["own"].items()))
        parts = ["MC statistics", *([str(systematics)] if systematics else ())]
        sources = dict.fromkeys(str(one["source"]) for one in self.manifest.systematic_variations)
        if sources:
            named = len(sources) <= _SOURCES_NAMED
            parts.append(f"shifts by {listed(sources)}" if named else f"shifts by {len(sources)} systematic variations")
        return " ⊕ ".join(parts)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Train beside the quoted split."""
        return compare_splits(self.metrics, self.manifest.split)

    @property
    def held_out(self) -> dict[str, frozenset[float]]:
        """For each run with selections for single mass points those that it was not trained on."""
        return {
            str(run["name"]): frozenset(run["held_out"]) for run in self.manifest.runs if run["held_out"] is not None
        }

    @property
    def hypothesis_summaries(self) -> tuple[tuple[HypothesisSummary, ...], tuple[CutDistance, ...]]:
        """σ_min over the mass points on the quoted split."""
        return summarise_hypotheses(self.metrics, self.manifest.split, self.held_out)

    @property
    def quoted_comparisons(self) -> tuple[Comparison, ...]:
        """Train beside the quoted split, for the working points that are quoted and the runs' curves."""
        quoted = {(row.run, row.working_point, row.hypothesis) for row in self.headline}
        return tuple(
            one
            for one in self.comparisons
            if one.working_point is None or (one.run, one.working_point, one.hypothesis) in quoted
        )

    @property
    def headline(self) -> tuple[MetricRow, ...]:
        """The numbers that are quoted: the consensus of each run at its working point, on the quoted split.

        Of a flow trained for all mass points, those of all signal together.
        """
        points = {(str(run["name"]), run["working_point"]) for run in self.manifest.runs}
        quoted = [row for row in self.consensus if (row.run, row.working_point) in points]
        for_all = {row.run for row in quoted if row.hypothesis is None}
        return tuple(row for row in quoted if row.hypothesis is None or row.run not in for_all)

    @property
    def consensus(self) -> tuple[MetricRow, ...]:
        """The numbers of every consensus and its curve on the quoted split."""
        split = self.manifest.split
        return tuple(row for row in self.metrics if row.kind == "consensus" and row.split == split)

    @property
    def empty_selections(self) -> tuple[MetricRow, ...]:
        """The quoted consensus selections that keep no signal event of the quoted split."""
        return tuple(row for row in self.headline if row.metric == "tp" and row.value == 0)

    @property
    def empty_runs(self) -> tuple[str, ...]:
        """The runs of which every quoted selection keeps no signal event of the quoted split."""
        some = {row.run for row in self.headline if row.metric == "tp" and row.value}
        return tuple(dict.fromkeys(row.run for row in self.empty_selections if row.run not in some))

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON-like values; rows have the columns of the Parquet files."""
        summaries, distances = self.hypothesis_summaries
        return {
            "path": str(self.path),
            **asdict(self.manifest),
            **{table.key: table.records(getattr(self, table.attribute)) for table in TABLES},
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "hypotheses": [asdict(one) for one in summaries],
            "cut_distances": [asdict(one) for one in distances],
        }


def write_report(report: Report, directory: Path) -> None:
    """Write tables and manifest into a directory, the manifest last."""
    origin = {ORIGIN_KEY: report.manifest.cut_flow_origin.to_json()}
    for table in TABLES:
        metadata = origin if table.row is CutFlowRow else None
        write_rows(directory / table.file, table, getattr(report, table.attribute), metadata)
    write_json(directory / MANIFEST, asdict(report.manifest))


def read_report(directory: Path) -> Report:
    """Read a finished report.

    Raises:
        InputError: if a file is missing or damaged.
    """
    path = directory / MANIFEST
    raw = read_json(path)
    if raw.get("schema_version") != RUN_SCHEMA_VERSION:
        msg = f"{path}: schema version {raw.get('schema_version')}, this cutflow reads {RUN_SCHEMA_VERSION}"
        raise InputError(msg)
    try:
        for name in ("runs", "preselection", "systematic_variations", "notes", "warnings", "figures"):
            raw[name] = tuple(raw[name])
        raw["processes"] = tuple((name, role) for name, role in raw["processes"])
        return Report(
            path=directory,
            manifest=ReportManifest(**raw),
            **{table.attribute: read_rows(directory / table.file, table) for table in TABLES},
            fresh=False,
        )
    except (TypeError, ValueError, KeyError, pa.ArrowInvalid) as error:
        msg = f"{directory}: damaged report ({str(error).splitlines()[0]}); evaluate again with --force"
        raise InputError(msg) from error
