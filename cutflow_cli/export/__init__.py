"""One file a dialect, all rendering the same selection tree; `handover.export_cuts` is the way in."""
