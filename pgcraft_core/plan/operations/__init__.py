"""Typed operations: each knows its SQL, its inverse, its lock, its place in a migration and a sentence for people."""
