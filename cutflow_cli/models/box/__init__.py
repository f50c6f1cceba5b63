"""The best rectangular selection for an objective, searched on smoothed estimates of the background."""
