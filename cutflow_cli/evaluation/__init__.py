"""Selections applied to events: one pass over the file, then every table from the sums it left.

`tally` streams events through all flows of all runs, `normalise` turns its sums into expected events, `tables` and
`comparison` make rows of them, `report` writes them and reads them back, `present` prints them.
"""
