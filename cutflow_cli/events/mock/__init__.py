"""Simulated samples with known answers.

`catalogue` says which mocks there are, `plan` settles what is to be drawn, `write` draws it into an events file;
`published`, `gaussians`, `slepton` and `zprime` each hold one law.
"""
