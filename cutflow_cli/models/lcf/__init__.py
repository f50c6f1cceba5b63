"""Learnable Cut Flow (arXiv:2503.22498): parallel and sequential cuts, one model with one difference."""
