"""The paper's equations, and how they are minimised."""
