"""What the page says of runs and events, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutflow_cli.apply.as_run import METHOD as FILE_OF_CUTS
from cutflow_cli.evaluation.numbers import short_cut
from cutflow_cli.evaluation.present import MAX_HYPOTHESES
from cutflow_cli.evaluation.printed import NOTHING, PrintedTable, listed
from cutflow_cli.evaluation.report import Report, ReportManifest
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Runs that a title names; of more it says how many.
_NAMED = 3
#: Characters of a setting that fit beside another.
_LONG = 60


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a list of terms.

    Attributes:
        term: what it is.
        text: how it is; each on a line of its own.
        code: whether it is to be copied, such as a digest or a command.
    """

    term: str
    text: tuple[str, ...]
    code: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it needs the whole width of a page."""
        return len(self.term) + sum(map(len, self.text)) > _LONG


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection in words.

    Attributes:
        title: of what it is one.
        cuts: those applied, in order.
        unused: observables that are not cut on, and why.
    """

    title: str
    cuts: tuple[str, ...]
    unused: tuple[str, ...]


def title_of(manifest: ReportManifest) -> str:
    """Say what was evaluated."""
    names = [str(run["name"]) for run in manifest.runs]
    runs = listed(names) if len(names) <= _NAMED else f"{len(names)} selections"
    return f"{runs} on {manifest.data['path']}"


def report_facts(report: Report) -> Iterator[Fact]:
    """Say what all numbers of a report have in common."""
    manifest = report.manifest
    yield Fact("events", (f"{manifest.data['path']}, {manifest.data['events']} events",))
    for role in ("signal", "background"):
        yield Fact(role, (", ".join(name for name, its in manifest.processes if its == role),))
    judged = "each judged by the training that did not see it"
    yield Fact("events quoted", (f"all, {judged}" if manifest.by_folds else manifest.quoted,))
    known = manifest.luminosity is not None
    yield Fact("luminosity", (f"{manifest.luminosity:g} fb⁻¹" if known else "not known: weights came as yields",))
    yield Fact("σ_B", (report.background_uncertainty,))
    least = manifest.figure_options["min_effective_events"]
    yield Fact("too few events", (f"below {least:g} effective background events what divides by B is not quoted",))
    if report.formulas:
        yield Fact("own figures of merit", tuple(f"{name} = {text}" for name, text in report.formulas.items()))


def run_facts(record: Mapping[str, Any], run: Run) -> Iterator[Fact]:
    """Say what was trained on what.

    Args:
        record: of the run in `report.json`.
        run: the run.
    """
    manifest = run.manifest
    if manifest.method == FILE_OF_CUTS:
        yield Fact("method", ("not trained: cuts read from a file",))
        yield Fact("file", (str(record["path"]),), code=True)
    else:
        yield Fact("method", (manifest.method,))
        yield Fact("run directory", (str(record["path"]),), code=True)
        yield Fact("trained on", _trained_on(manifest.data))
        yield Fact("digest of these events", (str(manifest.data.get("digest", NOTHING)),), code=True)
        yield Fact("splits", (_splits(run),))
        yield Fact("seed", (str(manifest.seed),))
        yield Fact("replicas", (_replicas(run),))
    yield Fact("quoted at", (_quoted(record, run),))
    if record["held_out"]:
        yield Fact("held out, not trained on", (", ".join(f"{mass:g}" for mass in record["held_out"]),))
    if manifest.preselection:
        yield Fact("preselection of these events", manifest.preselection, code=True)


def _trained_on(data: Mapping[str, Any]) -> tuple[str, ...]:
    events = "" if data.get("events") is None else f", {data['events']} events"
    return (f"{data.get('path', NOTHING)}{events}",)


def _splits(run: Run) -> str:
    data, folds = run.manifest.data, run.manifest.folds
    if folds is not None:
        return (
            f"{folds.count} folds (seed {folds.seed}): {folds.count} trainings, each event judged by the one that did "
            f"not see it; {folds.validation:g} of what a training sees is for validation"
        )
    fractions = data.get("split_fractions")
    if fractions is None:
        return "as in the file"
    shares = " / ".join(f"{share:g}" for share in fractions)
    return f"assigned to rows, train / validation / test {shares}, seed {data.get('split_seed')}"


def _replicas(run: Run) -> str:
    first, last = run.manifest.replicas
    return "1" if last - first == 1 else f"{last - first}, numbers {first} to {last - 1}"


def _quoted(record: Mapping[str, Any], run: Run) -> str:
    point = str(record["working_point"])
    if point == "default":
        return "its one selection"
    return f"{point} (recommended)" if point == run.manifest.recommended else point


def settings_of(run: Run) -> tuple[Fact, ...]:
    """Return every setting, defaults included."""
    return tuple(Fact(name, (_value(value),)) for name, value in run.manifest.settings.items())


def _value(value: Any) -> str:  # noqa: ANN401  (anything that JSON can hold)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        nested = any(isinstance(one, Mapping) for one in value)
        return ("; " if nested else ", ").join(map(_value, value)) or "none"
    return str(value)


def features_table(run: Run) -> PrintedTable:
    """Lay out the columns that a run cuts on or was trained on, with what they were made from."""
    manifest = run.manifest
    infos = [(info, "feature") for info in manifest.features] + [(info, "spectator") for info in manifest.spectators]
    columns = {
        "unit": [info.unit or NOTHING for info, _ in infos],
        "type": [info.dtype for info, _ in infos],
        "made from": [_origin(info) for info, _ in infos],
        "TeX": [info.label or NOTHING for info, _ in infos],
        "used as": [role for _, role in infos] if manifest.spectators else [],
    }
    used = {title: cells for title, cells in columns.items() if any(cell != NOTHING for cell in cells)}
    rows = zip([info.name for info, _ in infos], *used.values(), strict=True)
    return PrintedTable("Features in the order of the flow", ("feature", *used), tuple(rows))


def _origin(info: FeatureInfo) -> str:
    return NOTHING if info.expression in (None, info.name) else str(info.expression)


def selections_of(record: Mapping[str, Any], run: Run) -> tuple[Selection, ...]:
    """Put the quoted selections of a run in words: the consensus, one for each mass point where there are some."""
    units = {info.name: info.unit for info in (*run.manifest.features, *run.manifest.spectators)}
    return tuple(
        Selection(
            "the selection" if flow.hypothesis is None else f"mass {flow.hypothesis:g}",
            _applied(flow, units),
            tuple(_unused(step) for step in flow.steps if not step.applied),
        )
        for flow in run.flows
        if flow.kind == "consensus" and flow.working_point == record["working_point"]
    )


def selections_table(selections: Sequence[Selection]) -> PrintedTable | None:
    """Lay out selections that are too many to read one by one; None for a few."""
    if len(selections) <= MAX_HYPOTHESES:
        return None
    rows = ((one.title.removeprefix("mass "), ", ".join(one.cuts) or "every event") for one in selections)
    return PrintedTable("Cuts of each selection", ("mass", "kept"), tuple(rows))


def _applied(flow: CutFlow, units: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(
        short_cut(step.cut) + (f" {unit}" if (unit := units.get(step.cut.observable)) else "")
        for step in flow.steps
        if step.applied
    )


def _unused(step: LearnedCut) -> str:
    return step.cut.observable + (f" ({step.note})" if step.note else "")


def run_provenance(run: Run) -> Iterator[Fact]:
    """Say how a run came about: to be compared with other runs, and made again."""
    manifest = run.manifest
    if manifest.command:
        yield Fact("command", (manifest.command,), code=True)
    yield Fact("digest", (manifest.digest,), code=True)
    if manifest.timings:
        yield Fact("timings", (", ".join(f"{name} {seconds:.3g} s" for name, seconds in manifest.timings.items()),))
    if manifest.versions:
        yield Fact("made with", (_versions(manifest.versions),))
    if manifest.method != FILE_OF_CUTS:
        yield Fact("device", (manifest.device,))


def report_provenance(manifest: ReportManifest) -> Iterator[Fact]:
    """Say how the report came about."""
    if manifest.command:
        yield Fact("command", (manifest.command,), code=True)
    yield Fact("digest of inputs and settings", (manifest.digest,), code=True)
    yield Fact("events", (f"{manifest.data['path']}, {manifest.data['events']} events",))
    yield Fact("digest of the events", (str(manifest.data["digest"]),), code=True)
    known = manifest.luminosity is not None
    yield Fact("luminosity", (f"{manifest.luminosity:g} fb⁻¹" if known else "not known: weights came as yields",))
    yield Fact("figures of merit", (_value(manifest.figure_options),))
    yield Fact("made with", (_versions(manifest.versions),))


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
