"""Multilayer perceptrons: a score to measure cuts against."""
