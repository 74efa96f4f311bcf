"""Sequences of frames under the looks of a few of them: which are frames, cuts and keys, what carries over."""
