"""One file a subcommand: options in, one library call, words and tables out."""
