"""Sphinx configuration."""

project = "pgcraft"
copyright = "2026, the pgcraft authors"  # noqa: A001
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pgcraft"
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # psql's \gset stands in SQL, and is coloured well enough
