"""An ONNX model run by onnxruntime, event by event beside what it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.onnx_backend import onnxruntime
from cutflow_cli.export.onnx_model import FEATURES, PASSED, PROBABILITY, score_of
from cutflow_cli.export.onnx_trees import splits
from cutflow_cli.models.bdt.scorer import BdtScorer
from cutflow_cli.models.mlp.scorer import MlpScorer
from cutflow_cli.models.punzi.scorer import PunziScorer
from cutflow_cli.models.scores import Scorer, mean_score

#: By how much scores may differ: sums of a few hundred terms of single precision, added in another order, are off by
#: some 1e-6 of the log odds, and the probability has at most a quarter of their slope.
TOLERANCE = 1e-5
_MADE_UP = 2000
_STRANGE = (np.nan, np.inf, -np.inf)


@dataclass(frozen=True, slots=True)
class Sample:
    """Events to run a model on.

    Attributes:
        title: what they are, in words.
        x: features as the events hold them, shape (events, features).
        others: the other columns that are cut on, each of shape (events,).
    """

    title: str
    x: NDArray[Any]
    others: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Answers:
    score: NDArray[np.float32]
    passed: NDArray[np.bool_]


def compare(content: bytes, selections: Selections, scorer: Scorer, replicas: range, samples: Iterable[Sample]) -> str:
    """Run a model and compare its scores, and what it passes, with those of the run.

    Args:
        content: the model.
        selections: the only flow, and what is known of its run.
        scorer: of the run.
        replicas: numbers of the run's replicas.
        samples: events of the run; others are made up beside them, with missing and infinite values, and with values
            on the splits of trees.

    Returns:
        How well they agree, in words.

    Raises:
        InputError: if they disagree by more than rounding, or the model can't be run.
    """
    session = _open(content, selections.run)
    counted: dict[str, int] = {}
    largest, ties = 0.0, 0
    for sample in (*samples, _made_up(selections, scorer)):
        wanted = _of_run(selections, scorer, replicas, sample)
        found = _of_model(session, sample, selections.run)
        _require_agreement(selections, scorer, sample, wanted, found)
        both = ~np.isnan(wanted.score)
        largest = max(largest, float(np.abs(found.score - wanted.score)[both].max(initial=0.0)))
        ties += int(np.count_nonzero(found.passed != wanted.passed))
        counted[sample.title] = counted.get(sample.title, 0) + len(sample.x)
    events = " and ".join(f"{number} {title}" for title, number in counted.items())
    same = "the same events pass" if not ties else f"{ties} events within rounding of the threshold pass otherwise"
    return f"run with onnxruntime {onnxruntime.__version__} on {events}: scores differ by at most {largest:.1g}, {same}"


def _open(content: bytes, run: str) -> Any:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        msg = f"{run}: onnxruntime can't open the model that was made ({_first_line(error)}); nothing is written"
        raise InputError(msg) from error


def _of_model(session: Any, sample: Sample, run: str) -> _Answers:  # noqa: ANN401
    with np.errstate(over="ignore"):
        feed = {FEATURES: np.ascontiguousarray(sample.x, dtype=np.float32), **sample.others}
    try:
        score, passed = session.run([PROBABILITY, PASSED], feed)
    except Exception as error:
        msg = f"{run}: onnxruntime can't run the model that was made ({_first_line(error)}); nothing is written"
        raise InputError(msg) from error
    return _Answers(np.asarray(score), np.asarray(passed))


def _of_run(selections: Selections, scorer: Scorer, replicas: range, sample: Sample) -> _Answers:
    flow, name = selections.flow, score_of(selections, scorer)
    scores = scorer.scores(sample.x)[name]
    score = mean_score(scores) if flow.kind == "consensus" else scores[replicas.index(flow.replica)]
    return _Answers(score, flow.mask({name: score, **sample.others}, len(score)))


def _require_agreement(
    selections: Selections, scorer: Scorer, sample: Sample, wanted: _Answers, found: _Answers
) -> None:
    """Refuse a model that differs by more than rounding.

    Raises:
        InputError: if so; the message gives the first event.
    """
    edges = [
        edge
        for cut in selections.flow.cuts
        if cut.observable in scorer.names
        for edge in (cut.lower, cut.upper)
        if edge is not None
    ]
    near = np.zeros(len(wanted.score), dtype=np.bool_)
    for edge in edges:
        near |= np.abs(wanted.score - np.float32(edge)) <= TOLERANCE
    off = ~(np.abs(found.score - wanted.score) <= TOLERANCE) & ~(np.isnan(found.score) & np.isnan(wanted.score))
    off |= (found.passed != wanted.passed) & ~near
    if not off.any():
        return
    first = int(np.flatnonzero(off)[0])
    at = ", ".join(f"{name} = {value:.6g}" for name, value in zip(scorer.features, sample.x[first], strict=True))
    msg = (
        f"{selections.run}: the ONNX model disagrees with the run for {np.count_nonzero(off)} of {len(off)} "
        f"{sample.title}: for {at} onnxruntime {onnxruntime.__version__} gives a score of {found.score[first]:.7g} "
        f"and passes it: {bool(found.passed[first])}, the run {wanted.score[first]:.7g} and "
        f"{bool(wanted.passed[first])}; nothing is written"
    )
    raise InputError(msg)


def _made_up(selections: Selections, scorer: Scorer) -> Sample:
    """Draw events over the range of each feature, values that the trees split at, and some missing or infinite."""
    random = np.random.default_rng(0)
    columns = []
    for values in _landmarks(scorer):
        low, high = float(values[0]), float(values[-1])
        column = random.uniform(low - (high - low) / 4, high + (high - low) / 4, _MADE_UP).astype(np.float32)
        split = random.random(_MADE_UP) < 0.3
        column[split] = random.choice(values, int(split.sum()))
        strange = random.random(_MADE_UP) < 0.03
        column[strange] = random.choice(_STRANGE, int(strange.sum()))
        columns.append(column)
    others = {}
    for cut in selections.flow.cuts:
        if cut.observable not in scorer.names:
            dtype = selections.feature(cut.observable).dtype
            edges = [edge for edge in (cut.lower, cut.upper) if edge is not None]
            around = [value for edge in edges for value in (edge, edge + 1, edge - 1)]
            others[cut.observable] = random.choice([*around, sum(edges) / len(edges), np.nan], _MADE_UP).astype(dtype)
    return Sample("made-up events, missing and infinite values among them", np.stack(columns, axis=1), others)


def _landmarks(scorer: Scorer) -> Iterator[NDArray[np.float32]]:
    """Yield for each feature numbers over its range in order: splits of trees, or the units of networks."""
    if isinstance(scorer, BdtScorer):
        yield from splits(scorer)
        return
    assert isinstance(scorer, MlpScorer | PunziScorer)
    networks = scorer.networks if isinstance(scorer, MlpScorer) else next(iter(scorer.networks.values()))
    for shift, scale in zip(networks.scaling.shift, networks.scaling.scale, strict=True):
        yield (shift + scale * np.linspace(-4, 4, 9)).astype(np.float32)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
