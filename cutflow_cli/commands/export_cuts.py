"""Placeholder replaced by the command's own change."""

from __future__ import annotations


def export_cuts() -> None:
    """To come."""
