"""How long a pair takes, by what pairs took before."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from flows.results.table import mean_seconds


@dataclass
class Pace:
    """The mean of what pairs took: of the batch at work, or else of the folder's last one.

    Attributes
    ----------
    before : float, optional
        Seconds a pair of the folder's last batch.
    """

    before: float | None = None
    _sum: float = field(default=0.0, init=False)
    _count: int = field(default=0, init=False)

    @classmethod
    def of_folder(cls, out: Path) -> Self:
        """What is known before the first pair has ended."""
        return cls(mean_seconds(out))

    def add(self, seconds: float) -> None:
        """Learn from a pair that was computed."""
        self._sum, self._count = self._sum + seconds, self._count + 1

    @property
    def seconds(self) -> float | None:
        """What a pair takes; None if nobody knows."""
        return self._sum / self._count if self._count else self.before
