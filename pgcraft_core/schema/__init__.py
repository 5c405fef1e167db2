"""Desired state: what a database should hold, as immutable values that know neither connection nor Kubernetes."""
