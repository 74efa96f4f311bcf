"""Prefect's server, signals, and how a run ends."""
