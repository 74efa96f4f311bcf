"""Label maps with one meaning on both sides, and the ways to find them."""
