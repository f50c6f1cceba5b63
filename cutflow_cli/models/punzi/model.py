"""The method: networks trained on Punzi's smallest detectable cross section."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from cutflow_cli.engine.loop import history_columns, train
from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.parallel import SMALL_STEP_THREADS, ParallelStepper, shared_out
from cutflow_cli.engine.randomness import Stream, epoch_order, generator
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.sensitivity import PunziInputs
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.punzi.backends import FusedBackend, TorchBackend
from cutflow_cli.models.punzi.flows import RECOMMENDED, punzi_flows
from cutflow_cli.models.punzi.loss import PunziLoss
from cutflow_cli.models.punzi.prepare import Acceptance, Prepared, acceptances, generated_events, prepare
from cutflow_cli.models.punzi.results import FIXED, choose_cuts, hypothesis_rows
from cutflow_cli.models.punzi.scorer import PRETRAINED, PunziScorer
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.stepper import PunziStepper, Watched
from cutflow_cli.models.punzi.sums import Layout
from cutflow_cli.models.punzi.windows import Windows, find_windows, shown
from cutflow_cli.models.scores import SCORE
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA


class PunziNet:
    """Networks whose loss is the mean of Punzi's σ_min over mass hypotheses (EPJ C 82 (2022) 121).

    One cut on the output serves all hypotheses, trained or between them. Not valid where the background of a window is
    not described by the simulation, or has large systematic errors: σ_min takes B as known.

    Args:
        settings: what to train; see `cutflow_cli.models.punzi.settings` for where the defaults leave the publication.
        fused: use the compiled kernel on a CPU; otherwise torch alone.
    """

    def __init__(self, settings: PunziSettings, fused: bool = True) -> None:
        self.settings = settings
        self._fused = fused

    @property
    def spectators(self) -> tuple[str, ...]:
        """The reconstructed mass."""
        return () if self.settings.mass_column is None else (self.settings.mass_column,)

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Train all replicas, choose the best cut of each hypothesis, and tabulate what comes of it.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, validation split, luminosity, checkpoint.

        Returns:
            For each hypothesis, network and cut one flow per replica, then that of the mean score.

        Raises:
            InputError: if a hypothesis has no signal, or the table of windows lacks it.
            UsageError: if a mass to hold out does not exist.
        """
        started = time.perf_counter()
        settings = self.settings
        windows = find_windows(sample, settings)
        generated = generated_events(sample, windows, settings)
        shares = acceptances(sample, windows, generated)
        luminosity = settings.luminosity or context.luminosity
        layout = Layout.of(windows, sample)
        learned = prepare(sample, windows, layout, shares, settings.negative_weights, "training")
        judged = None
        if context.validation is not None:
            judged = prepare(context.validation, windows, layout, shares, settings.negative_weights, "validation")
        loss = PunziLoss(layout, luminosity or 1.0, settings.a, settings.b, settings.form, settings.background_floor)
        steppers = self._steppers(learned, judged, loss, context)
        stepper = ParallelStepper(steppers, [len(one.networks) for one in steppers])
        prepared = time.perf_counter()
        history = train(
            stepper,
            settings.bce_epochs + settings.epochs,
            checkpoint=context.checkpoint,
            stop_reason=context.stop_reason,
            progress=context.progress,
        )
        trained = time.perf_counter()
        torch.set_num_threads(context.threads)
        scorer = self._scorer(sample.features, steppers)
        inputs = PunziInputs(luminosity or 1.0, None, settings.a, settings.b, settings.form)
        fitted = self._results(scorer, sample, context, windows, shares, inputs)
        return Fitted(
            flows=fitted.flows,
            history=history_columns(history, context.replicas),
            warnings=(*_said(windows, learned, judged, luminosity, generated), *fitted.warnings),
            timings={
                "prepare": prepared - started,
                "train": trained - prepared,
                "combine": time.perf_counter() - trained,
            },
            resolved={
                "luminosity": luminosity,
                "generated_events": {shown(mass): number for mass, number in generated.items()} or None,
                "sigma_min_unit": "fb" if luminosity else "produced events",
                "events_outside_windows": learned.outside,
            },
            scorer=scorer,
            tables=fitted.tables,
            recommended=RECOMMENDED,
        )

    def _steppers(
        self, learned: Prepared, judged: Prepared | None, loss: PunziLoss, context: TrainingContext
    ) -> list[PunziStepper]:
        """Deal the replicas out to threads; on CUDA all train together."""
        settings = self.settings
        scaling = Scaling.measure(learned.x, settings.unit)
        architecture = settings.architecture(learned.x.shape[1])
        fused = self._fused and context.device == "cpu"
        threads = min(context.threads, SMALL_STEP_THREADS) if context.device == "cpu" else 1
        groups = shared_out(context.replicas, threads)
        if context.device == "cpu":
            torch.set_num_threads(1)
        epoch_order(context.seed, context.replicas[0], 0, 1)  # compiled code must be loaded before threads use it
        backend: Any = FusedBackend if fused else TorchBackend
        steppers = []
        for group in groups:
            networks = Networks.drawn(architecture, scaling, context.seed, group, context.device)
            counts = None
            if settings.bootstrap:
                draws = [generator(context.seed, r, Stream.BOOTSTRAP).poisson(1.0, len(learned)) for r in group]
                counts = np.stack(draws).astype(np.float64)
            slots = loss.layout.slots
            train_split = Watched(backend(learned, networks, slots, counts), len(learned))
            watched = None if judged is None else Watched(backend(judged, networks, slots, None), len(judged))
            steppers.append(PunziStepper(networks, train_split, watched, loss, settings, context.seed, group))
        return steppers

    def _scorer(self, features: tuple[str, ...], steppers: list[PunziStepper]) -> PunziScorer:
        first = steppers[0].networks
        results = [stepper.results() for stepper in steppers]
        networks = {
            name: Networks(first.architecture, first.scaling, torch.cat(parts).cpu().numpy())
            for name, parts in zip((SCORE, PRETRAINED), zip(*results, strict=True), strict=True)
        }
        return PunziScorer(features, networks)

    def _results(
        self,
        scorer: PunziScorer,
        sample: EventSample,
        context: TrainingContext,
        windows: Windows,
        shares: Acceptance,
        inputs: PunziInputs,
    ) -> Fitted:
        """Choose cuts and count what they keep; the rest of the result is filled in by the caller."""
        settings = self.settings
        splits = (
            {"train": sample} if context.validation is None else {"train": sample, "validation": context.validation}
        )
        scores = {split: scorer.scores(events.x) for split, events in splits.items()}
        chosen_on = list(splits)[-1]
        cuts, notes = choose_cuts(
            scores[chosen_on],
            splits[chosen_on],
            windows,
            inputs,
            settings.fixed_threshold,
            settings.min_effective_events,
        )
        if context.validation is None:
            notes.append("there is no validation split, so the best cuts were chosen on the events trained on")
        rows = [
            row
            for split, events in splits.items()
            for row in hypothesis_rows(scores[split], events, windows, cuts, inputs, shares, context.replicas, split)
        ]
        table = {name: [row[name] for row in rows] for name in rows[0]}
        notes += _scarce(rows, chosen_on, settings)
        flows = punzi_flows(cuts, windows, context.replicas)
        return Fitted(flows, {}, tuple(notes), tables={"hypotheses": table})


def _scarce(rows: list[dict[str, Any]], split: str, settings: PunziSettings) -> list[str]:
    """Say for which hypotheses the fixed cut of the consensus keeps too little simulated background to know B."""
    few = [
        shown(row["hypothesis"])
        for row in rows
        if (row["network"], row["cut"], row["replica"], row["split"]) == ("punzi", FIXED, CONSENSUS_REPLICA, split)
        and row["background_n_eff"] < settings.min_effective_events
    ]
    if not few:
        return []
    return [
        f"hypothesis {', '.join(few)}: the fixed cut keeps fewer than {settings.min_effective_events:g} effective "
        f"background events of the {split} split, so B and σ_min are hardly known there; more simulated background, or "
        "a higher --background-floor, helps"
    ]


def _said(
    windows: Windows,
    learned: Prepared,
    judged: Prepared | None,
    luminosity: float | None,
    generated: dict[float | None, float],
) -> list[str]:
    """Say what was left out, and what σ_min is relative to."""
    said = list(windows.notes)
    for split, data in (("training", learned), ("validation", judged)):
        if data is None:
            continue
        if data.outside:
            total = len(data) + data.outside + data.incomplete
            said.append(
                f"{data.outside} of {total} events of the {split} split lie in no window of a trained hypothesis and "
                "were left out"
            )
        if data.incomplete:
            said.append(f"{data.incomplete} events of the {split} split lack a feature; they were left out")
    held = [shown(mass) for mass, out in zip(windows.hypotheses, windows.held_out, strict=True) if out]
    if held:
        said.append(f"held out, not trained on: {', '.join(held)}")
    if luminosity is None:
        said.append("the luminosity is not known, so σ_min is in produced signal events; --luminosity gives it in fb")
    missing = [shown(mass) for mass in windows.hypotheses if mass not in generated]
    if missing:
        which = "" if len(missing) == len(windows.hypotheses) else f" for hypothesis {', '.join(missing)}"
        said.append(
            f"ε counts from the signal events in the file{which}: the number generated is not known "
            "(--generated-events gives it)"
        )
    return said
