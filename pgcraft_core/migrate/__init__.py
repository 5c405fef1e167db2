"""Migrations: sessions that plan and apply, Alembic operations and scripts, history in the database."""
