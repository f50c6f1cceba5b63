"""Simulated samples with known answers."""
