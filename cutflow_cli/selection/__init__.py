"""The heart: cuts, cut flows and the expression language. Needs numpy alone."""
