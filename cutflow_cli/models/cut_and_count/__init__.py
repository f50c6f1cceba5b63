"""Cut and count: for each observable the region with the best figure of merit, found by scanning, not by descent."""
