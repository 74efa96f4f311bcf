"""The paper's evaluation: its table of measures, and its figures with magnified details."""
