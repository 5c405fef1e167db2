"""The run of one Database: list, connect, compile, plan, migrate, expose, publish."""
