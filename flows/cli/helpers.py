"""Who does a batch's pairs: this process, workers hired for the run, or those of a lasting service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from flows.workers.posts import check_number
from pst_core.errors import ConfigError

if TYPE_CHECKING:
    from flows.display.watching import Watcher
    from flows.workers.posts import Number

Ran = TypeVar("Ran")


@dataclass(frozen=True)
class Helpers:
    """Who helps with a batch.

    Attributes
    ----------
    workers : int or "auto", optional
        How many are hired for the run.
    pool : str, optional
        The work pool of those that are there already.

    Raises
    ------
    ConfigError
        Both are given, or less than one worker.
    """

    workers: "Number | None" = None
    pool: str | None = None

    def __post_init__(self) -> None:
        """See that only one of them is given, and that there can be so many."""
        if self.workers is not None and self.pool is not None:
            raise ConfigError(
                "--workers hires workers for this run, --pool takes those of a service: use one of them."
            )
        if self.workers is not None:
            check_number(self.workers)

    def refuse(self, what: str) -> None:
        """Say that something is done in one process.

        Raises
        ------
        ConfigError
            Anybody is to help.
        """
        if self.workers is not None or self.pool is not None:
            raise ConfigError(f"{what} is done in one process: leave out --workers and --pool.")

    def check(self) -> None:
        """See that there is a service to ask, before a server is looked for, or started.

        Raises
        ------
        ConfigError
            None is named.
        """
        from prefect.settings import PREFECT_API_URL

        if self.pool is not None and not (PREFECT_API_URL.value() or "").strip():
            raise ConfigError(
                "Which service --pool hands pairs out at is not said: set PREFECT_API_URL, such as "
                "http://SERVICE:4200/api, or hire workers for this run with --workers."
            )

    def run(self, after_a_loss: bool, watcher: "Watcher", batch: Callable[[str | None], Ran]) -> Ran:
        """Run a batch with the name of a pool, or without one.

        Parameters
        ----------
        after_a_loss
            Whether the server of the pool is gone: then the rest is done here.
        """
        if self.workers is not None:
            from flows.workers.hiring import hired_workers

            with hired_workers(self.workers, watcher.waiting) as pool:
                return batch(pool)
        return batch(None if after_a_loss else self.pool)


NOBODY = Helpers()
