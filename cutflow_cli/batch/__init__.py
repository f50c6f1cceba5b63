"""Many tasks on a batch system: planned once, run anywhere, put together to what one job would have given."""
