"""What `ingest` and `merge` print: how each process was normalised, and what the preselection left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cutflow_cli.commands import terminal

if TYPE_CHECKING:
    from cutflow_cli.events.assemble import Ingested
    from cutflow_cli.events.schema import EventsMetadata, ProcessInfo, WeightSums


def print_ingested(made: Ingested, *, as_json: bool) -> None:
    """Print the result of an ingest: warnings to stderr, tables or JSON to stdout."""
    for text in made.notes:
        terminal.warning(text)
    for file in made.skipped:
        terminal.warning(f"skipped: {file.reason}")
    if not made.written:
        terminal.note(f"{made.path}: already done, made from the same files and settings")
    if as_json:
        terminal.result_json(_as_json(made))
    elif made.metadata is None:
        number, of = made.shard or (1, 1)
        files = sum(made.files.values())
        terminal.result(f"{made.path}: shard {number} of {of}, {files} file{'s' * (files != 1)}; next: cutflow merge")
    else:
        _print_processes(made, made.metadata)
        if made.metadata.preselection:
            _print_preselection(made.metadata)


def _as_json(made: Ingested) -> dict[str, Any]:
    from dataclasses import asdict

    common = {
        "out": str(made.path),
        "written": made.written,
        "notes": list(made.notes),
        "files": made.files,
        "formats": made.formats,
    }
    if made.metadata is None:
        return {**common, "shard": list(made.shard or (1, 1)), "skipped": [asdict(file) for file in made.skipped]}
    return {
        **common,
        "yields": {process.name: _numbers(process.total) for process in made.metadata.processes},
        **asdict(made.metadata),
    }


def _numbers(sums: WeightSums) -> dict[str, float]:
    """Expected events with their statistical error, and how many unweighted events would be as good."""
    return {
        "events": sums.events,
        "expected": sums.sumw,
        "expected_error": sums.sumw2**0.5,
        "effective_events": sums.sumw**2 / sums.sumw2 if sums.sumw2 else 0.0,
    }


def _print_processes(made: Ingested, metadata: EventsMetadata) -> None:
    from cutflow_cli.events.schema import SPLITS

    rows = []
    for process in metadata.processes:
        total = process.total
        read = process.preselected[0].events if process.preselected else total.events
        rows.append(
            [
                process.name,
                process.role,
                str(made.files[process.name]),
                str(read),
                _number(process.generated_sumw),
                _number(process.cross_section),
                str(total.events),
                _expected(total),
                f"{_numbers(total)['effective_events']:.6g}",
                "/".join(f"{100 * process.splits[split].events / total.events:.1f}" for split in SPLITS),
            ]
        )
    luminosity = "no luminosity" if metadata.luminosity is None else f"{metadata.luminosity:g} fb⁻¹"
    events = sum(process.total.events for process in metadata.processes)
    header = ["process", "role", "files", "read", "Σw generated", "σ [pb]", "events", "expected events"]
    formats = ", ".join(dict.fromkeys(made.formats.values()))
    terminal.table(
        f"{made.path}: {events} events, {len(metadata.features)} features, {luminosity}, seed {metadata.seed}"
        + (f"; read as {formats}" if formats else ""),
        [*header, "effective", "/".join(SPLITS) + " [%]"],
        rows,
    )
    for variation in metadata.variations:
        changed = [f"{name}: weights" for name in variation.processes]
        changed += [f"{name}: another sample, {sums.events} events" for name, sums in variation.replaced.items()]
        terminal.result(f"  variation {variation.name} (column {variation.column}): {'; '.join(changed)}")


def _print_preselection(metadata: EventsMetadata) -> None:
    """Print the cut flow of the preselection, process by process."""
    rows = []
    for process in metadata.processes:
        rows += _flow(process, ("all events", *metadata.preselection))
    terminal.table(
        "preselection (all splits)",
        ["cut", "\nprocess", "events", "expected events", "step [%]", "total [%]"],  # both say what a row is of
        rows,
    )


def _flow(process: ProcessInfo, cuts: tuple[str, ...]) -> list[list[str]]:
    stages = process.preselected
    rows = []
    for position, (cut, sums) in enumerate(zip(cuts, stages, strict=True)):
        before = stages[max(position - 1, 0)]
        rows.append(
            [
                cut,
                process.name,
                str(sums.events),
                _expected(sums),
                _percent(sums, before) if position else "",
                _percent(sums, stages[0]),
            ]
        )
    return rows


def _percent(sums: WeightSums, of: WeightSums) -> str:
    return f"{100 * sums.sumw / of.sumw:.4g}" if of.sumw else "–"


def _expected(sums: WeightSums) -> str:
    return f"{sums.sumw:.6g} ± {sums.sumw2**0.5:.3g}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
