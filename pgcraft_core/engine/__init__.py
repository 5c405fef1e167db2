"""The plugin engine: typed keys, steps that require and produce them, a resolver, and the run."""
