"""Networks trained on Punzi's smallest detectable cross section (EPJC 82:121)."""
