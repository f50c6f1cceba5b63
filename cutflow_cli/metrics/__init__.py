"""Yields, significance and classification. Knows no torch.

Every number comes as an `Estimate`: a value, its statistical error, and, where one of them is undefined or says less
than it seems to, a reason in words.
"""
