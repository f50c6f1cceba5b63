"""Yields, significance and classification. Knows no torch."""
