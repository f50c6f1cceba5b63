"""One file a format, each yielding chunks; nothing else knows the format."""
