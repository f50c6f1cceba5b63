"""From a learned flow to the one that a figure of merit wants: gradient ascent on soft counts, then exact steps."""
