"""A content-addressed store of intermediate results."""
