"""Small samples for Punzi networks: peaks of a mass on a falling background, and two features that tell them apart."""

from __future__ import annotations

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.window_table import WindowRow

MASSES = (1.0, 1.5, 2.0, 2.5)
WIDTH = 0.2


def peak_sample(events: int = 4000, seed: int = 0, masses=MASSES) -> EventSample:
    """A quarter is signal; background weights differ from event to event. Signal weights are 0.01."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 4 == 0).astype(np.int8)
    mass = np.where(label == 1, np.asarray(masses)[np.arange(events) // 4 % len(masses)], np.nan)
    m2 = np.where(label == 1, rng.normal(mass**2, WIDTH), rng.uniform(0.0, 8.0, events)).astype(np.float32)
    centre = np.where(label == 1, 1.0, -0.3)[:, None]
    x = (rng.normal(centre, 1.0, (events, 2)) + 0.2 * m2[:, None]).astype(np.float32)
    weight = np.where(label == 1, 0.01, rng.uniform(0.5, 5.0, events))
    return EventSample(
        features=("u", "v"),
        x=x,
        dtypes={"u": "float32", "v": "float32"},
        label=label,
        weight=weight,
        expected=weight,
        process=label.astype(np.int32),
        processes=("background", "signal"),
        hypothesis=mass,
        spectators={"m2": m2},
    )


def peak_settings(masses=MASSES, **chosen) -> PunziSettings:
    """Windows at the squared masses, which overlap, and a quick training."""
    rows = tuple(WindowRow(mass=mass, width=WIDTH) for mass in masses)
    quick = {"hidden": (5, 3), "bce_epochs": 3, "bce_batch_size": 500, "epochs": 4, "batch_size": 1000}
    return PunziSettings(**{"mass_column": "m2", "windows": rows, "n_sigma": 4.0, **quick, **chosen})
