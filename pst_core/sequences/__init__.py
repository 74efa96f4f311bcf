"""Sequences of frames under the looks of a few of them: frames, cuts, keys, and what carries over."""
