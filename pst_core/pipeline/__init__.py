"""One pair, step by step."""
