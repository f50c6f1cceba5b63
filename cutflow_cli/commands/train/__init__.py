"""cutflow train: learn a selection. One module a method; `app` registers them, `options` holds what all share."""
