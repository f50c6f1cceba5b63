"""What a worker and a scheduler must be able to import; asked for before there is work, for a clear answer."""

from __future__ import annotations

from cutflow_cli import __version__
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.events.ingest import ingest

#: What is done by workers.
DONE = (ingest, evaluate_runs)
#: Of the cutflow there, which has all that it needs.
VERSION = __version__
