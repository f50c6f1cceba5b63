"""Events on disk and in memory: schema, chunked table, splits, normalisation, mock data."""
