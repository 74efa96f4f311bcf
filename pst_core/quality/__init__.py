"""Measures of a result: closeness to the content's structure and to the style's look."""
