"""One file a dialect, all rendering the same selection tree."""
