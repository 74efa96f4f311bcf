"""Pairs handed out to workers: what is on its way, how much of it at once, and what came back."""
