"""The pgcraft engine: dimensions in, Postgres schemas and migrations out."""
