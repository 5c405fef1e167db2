"""What the three dimension types cost beside hand-written tables: `python -m benchmarks.dimension_types --help`."""
