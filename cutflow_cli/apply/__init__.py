"""Cuts from a JSON file, exported or written by hand, applied to events: `apply.apply_cuts` is the way in."""
