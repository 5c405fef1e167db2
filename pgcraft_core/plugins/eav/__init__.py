"""EAV: declared attributes as columns, and a log with one row for each value that no longer stands."""
