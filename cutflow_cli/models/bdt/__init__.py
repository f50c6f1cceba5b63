"""Boosted decision trees: a score to measure cuts against."""
