"""The commands of `cutflow batch`: one module each."""
