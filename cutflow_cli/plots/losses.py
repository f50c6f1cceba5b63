"""The loss terms of one run against epoch, over its replicas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cutflow_cli.runs import HISTORY, Run

#: More loss terms than this, each with its value on validation events, can't be told apart in one figure.
MAX_LOSS_TERMS = 10
_TOTAL, _VALIDATION = "loss", "validation_"
_WORDS = {"bce": "BCE", "punzi": "Punzi"}
#: What `epoch` in the history counts, where that is not a pass over the events.
_EPOCHS = {"bdt": "Number of trees"}


@dataclass(frozen=True, slots=True)
class Band:
    """One column of losses against epoch, over the replicas.

    Attributes:
        name: the column of `history.parquet`.
        epochs: those at which a replica has a finite number, shape (epochs,).
        median: median over the replicas, shape (epochs,).
        low: 16 % quantile, shape (epochs,).
        high: 84 % quantile, shape (epochs,).
    """

    name: str
    epochs: NDArray[np.float64]
    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def validation(self) -> bool:
        """Whether it was computed on validation events."""
        return self.name.startswith(_VALIDATION)

    @property
    def term(self) -> str:
        """The loss term, whichever events it was computed on."""
        return self.name.removeprefix(_VALIDATION)


@dataclass(frozen=True, slots=True)
class LossCurves:
    """The training of one run.

    Attributes:
        title: the run.
        bands: the total loss first, then further loss terms.
        replicas: how many there are.
        epoch: what an epoch is.
    """

    title: str
    bands: tuple[Band, ...]
    replicas: int
    epoch: str = "Epoch"

    @property
    def terms(self) -> list[str]:
        """The loss terms, whichever events they were computed on."""
        return list(dict.fromkeys(band.term for band in self.bands))

    @property
    def stages(self) -> list[float]:
        """Epochs at which a term begins that was not there before: the loss is then another quantity."""
        first = min(float(band.epochs[0]) for band in self.bands)
        return sorted({start for band in self.bands if (start := float(band.epochs[0])) > first})

    def label(self, band: Band) -> str:
        """Name a column for people: `background`, `total loss, validation`; for a single term, the events."""
        if len(self.terms) == 1:
            return "validation" if band.validation else "train"
        parts = [_WORDS.get(word, word) for word in band.term.split("_") if word not in {"", _TOTAL}]
        words = " ".join(parts) or "total loss"
        return f"{words}, validation" if band.validation else words


def loss_curves(run: Run) -> LossCurves | None:
    """Collect the loss against epoch of a run; None if it kept no history.

    The column `loss` comes first and `validation_loss` next, then other columns whose name holds `loss`. Values that
    are not finite are left out, such as those of a term that belongs to another stage of the training; so are terms
    that are zero throughout, because they were switched off.

    Raises:
        InputError: if `history.parquet` is damaged.
    """
    if not (run.path / HISTORY).is_file():
        return None
    table = run.history()
    if not {"replica", "epoch"} <= set(table.column_names) or not table.num_rows:
        return None
    names = [name for name in table.column_names if _TOTAL in name.lower()]
    names.sort(key=lambda name: (name.removeprefix(_VALIDATION) != _TOTAL, name.startswith(_VALIDATION)))
    bands = [band for name in names if (band := _band(table, name)) is not None]
    some = [band for band in bands if band.term == _TOTAL or band.low.any() or band.high.any()]
    kept = list(dict.fromkeys(band.term for band in some))[:MAX_LOSS_TERMS]
    shown = tuple(band for band in some if band.term in kept)
    if not shown:
        return None
    replicas = len(np.unique(_numbers(table, "replica")))
    epoch = _EPOCHS.get(run.manifest.method, "Epoch")
    return LossCurves(f"{run.name} ({run.manifest.method})", shown, replicas, epoch)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


def _band(table: pa.Table, name: str) -> Band | None:
    """Median and 16-84 % interval over the replicas that reached each epoch."""
    loss, epoch = _numbers(table, name), _numbers(table, "epoch")
    finite = np.isfinite(loss)
    if not finite.any():
        return None
    loss, epoch = loss[finite], epoch[finite]
    order = np.argsort(epoch, kind="stable")
    epochs, starts = np.unique(epoch[order], return_index=True)
    levels = [np.quantile(part, (0.16, 0.5, 0.84)) for part in np.split(loss[order], starts[1:])]
    low, median, high = np.array(levels).T
    return Band(name, epochs, median, low, high)
