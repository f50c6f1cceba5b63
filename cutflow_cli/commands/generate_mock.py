"""Placeholder replaced by the command's own change."""

from __future__ import annotations


def generate_mock() -> None:
    """To come."""
