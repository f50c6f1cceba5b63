"""Cuts inside somebody's own differentiable chain: a torch module, soft counts, and figures of merit of them."""

from cutflow_cli.layers.cut_layer import CutLayer, half_widths
from cutflow_cli.layers.figures import SoftCounts, asimov, figure_of_counts, soft_counts
from cutflow_cli.layers.formula import formula_value

__all__ = ["CutLayer", "SoftCounts", "asimov", "figure_of_counts", "formula_value", "half_widths", "soft_counts"]
