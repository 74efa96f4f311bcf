"""Photographs and semantic maps, in and out."""
