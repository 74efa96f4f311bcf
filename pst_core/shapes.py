"""A line at the door of a function: the shapes of the arrays that it is given."""

from functools import cache
from typing import Protocol


class _Array(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


_DIGITS: dict[str, object] = {str(digit): digit for digit in range(10)}


def expect_shapes(wanted: str, *arrays: _Array) -> None:
    """Refuse shapes that cannot be meant, which is a mistake of the program, not of its user.

    Parameters
    ----------
    wanted
        Name and shape of each array, as ``image: C H W, guide: 3 H W``. A digit is a size; a letter stands
        for any but 0, the same one wherever it stands; ``...`` at the beginning for any leading sizes.
    arrays
        One for each name: anything with a `shape`.

    Raises
    ------
    ValueError
        One of them has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> expect_shapes("image: C H W, guide: 3 H W", np.ones((2, 4, 5)), np.ones((3, 4, 5)))
    >>> expect_shapes("image: C H W, guide: 3 H W", np.ones((2, 4, 5)), np.ones((1, 4, 5)))
    Traceback (most recent call last):
    ValueError: guide must have the shape (3, 4, 5), not (1, 4, 5)
    """
    known = _DIGITS.copy()
    for (name, letters), array in zip(_parsed(wanted), arrays, strict=True):
        sizes: tuple[object, ...] = tuple(array.shape)
        if letters[0] == "...":
            leading = max(0, len(sizes) - len(letters) + 1)
            sizes = (sizes[:leading], *sizes[leading:])
        own = dict(zip(letters, sizes, strict=False)) | known
        if len(sizes) != len(letters) or sizes != tuple(own[letter] for letter in letters) or 0 in sizes:
            shape = (str(known.get(letter, letter)).strip("(,)") for letter in letters)
            raise ValueError(
                f"{name} must have the shape ({', '.join(filter(None, shape))}), not {tuple(array.shape)}"
            )
        known = own


@cache
def _parsed(wanted: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    parts = (part.partition(": ") for part in wanted.split(", "))
    return tuple((name, tuple(letters.split())) for name, _, letters in parts)
