"""The record of one evaluation, which the solver hands on; known without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """Losses at one evaluation of a stage."""

    iteration: int
    total: float
    content: float
    style: float
