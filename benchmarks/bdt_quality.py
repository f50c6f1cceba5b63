"""Boosted trees on mock1 and on the shared samples: what each preset and the defaults reach, and in what time.

    python benchmarks/bdt_quality.py [--data ../shared/data] [--threads 1]

For each sample and setting: CPU seconds of training (growing and choosing the threshold, events in memory), trees kept,
and on the test split the area under the ROC curve and what the threshold keeps. For mock1 `--preset lcf` was published
to keep 48 699 of 49 857 signal and 1 152 of 50 143 background events (arXiv:2503.22498): both within 60 is agreement.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from cutflow_cli import open_events
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.bdt.model import BoostedTrees
from cutflow_cli.models.bdt.settings import PRESETS, BdtSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import resolve_settings

PUBLISHED, TOLERANCE = (48_699, 1_152), 60
FEATURES = {
    "diboson": ("m_jet", "c2_b1", "c2_b2", "d2_b1", "d2_b2", "tau21"),
    "slepton": ("met", "jet1_pt", "dphi_l1_met", "dphi_l2_met", "mt_l1", "mt_l2", "dr_ll"),
}
CHOICES: tuple[dict[str, object], ...] = ({"preset": "lcf"}, {"preset": "cabin"}, {})


def judge(name: str, events: EventsFile, chosen: dict[str, object], threads: int) -> tuple[int, int]:
    """Train, print a row, and return how many signal and background events the threshold keeps."""
    train, validation, test = events.load_splits(("train", "validation", "test"))
    settings, _ = resolve_settings(BdtSettings, PRESETS, chosen)
    context = TrainingContext(threads=threads, validation=validation if len(validation) else None)
    started = time.process_time()
    fitted = BoostedTrees(settings).fit(train, context)
    seconds = time.process_time() - started
    score = fitted.scorer.scores(test.x)["score"][0]
    kept = score > np.float32(fitted.flows[0].steps[0].cut.lower)
    signal = test.label == 1
    counts = int((kept & signal).sum()), int((kept & ~signal).sum())
    area = roc_auc_score(signal, score, sample_weight=test.weight)
    trees = fitted.resolved["kept_trees"][0]
    setting = f"--preset {settings.preset}" if settings.preset else "defaults"
    print(
        f"{name:8} {setting:15} {seconds:7.1f} s {trees:5} trees  AUC {area:.4f}  TP {counts[0]:5} of {signal.sum()}  "
        f"FP {counts[1]:5} of {(~signal).sum()}",
        flush=True,
    )
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mock1.parquet"
        write_mock("mock1", path, 200_000)
        ours = [judge("mock1", open_events(path), chosen, options.threads) for chosen in CHOICES]
    for name, features in FEATURES.items():
        path = options.data / f"{name}.parquet"
        if not path.is_file():
            print(f"{name}: {path} is not there, left out", file=sys.stderr)
            continue
        for chosen in CHOICES:
            judge(name, open_events(path, features), chosen, options.threads)
    agrees = all(abs(a - b) <= TOLERANCE for a, b in zip(ours[0], PUBLISHED, strict=True))
    print(f"mock1 --preset lcf {'agrees' if agrees else 'DISAGREES'} with the published {PUBLISHED}")
    return 0 if agrees else 4


if __name__ == "__main__":
    sys.exit(main())
