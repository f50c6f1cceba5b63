"""CABIN (arXiv:2502.08615): cuts for a scan of target signal efficiencies, learned together."""
