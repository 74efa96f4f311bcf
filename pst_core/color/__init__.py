"""Colour transfer, with regions and without."""
