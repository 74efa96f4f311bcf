"""The frames of a sequence, wherever they lie: pictures in a folder, or those of a video."""

from collections.abc import Callable, Iterator, Sequence
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from pydantic import BaseModel, ConfigDict

from pst_core.errors import SequenceError
from pst_core.images.input_files import InputFile
from pst_core.printing import printable
from pst_core.steady import open_steadily

if TYPE_CHECKING:
    from pst_core.images.reading import Photograph

Decoding = Callable[[], "Photograph"]
"""Decodes a frame when it is called, in whatever thread."""
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
"""How a JPEG begins, and how it ends."""


class Footage(Protocol):
    """Frames in their order, told by their content."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of each in pixels, before any turning upright."""
        ...

    @property
    def contents(self) -> tuple[str, ...]:
        """What tells each frame from any other."""
        ...

    def part(self, first: int, stop: int) -> Self:
        """Some frames in a row."""
        ...

    def decodings(self, places: Sequence[int]) -> Iterator[Decoding]:
        """What decodes each of some frames, whose places ascend."""
        ...


class PictureFrames(BaseModel):
    """Frames that are pictures of one size.

    Attributes
    ----------
    files : tuple of InputFile
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[InputFile, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.files)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of each in pixels, before any turning upright."""
        return self.files[0].width, self.files[0].height

    @property
    def contents(self) -> tuple[str, ...]:
        """The sha256 of each."""
        return tuple(file.sha256 for file in self.files)

    def part(self, first: int, stop: int) -> Self:
        """Some frames in a row."""
        return self.model_copy(update={"files": self.files[first:stop]})

    def decodings(self, places: Sequence[int]) -> Iterator[Decoding]:
        """What decodes each of some frames, whose places ascend."""
        return (self.files[place].photograph for place in places)


def check_sizes(files: Sequence[InputFile], place: Path) -> None:
    """Refuse frames of more than one size.

    Raises
    ------
    SequenceError
        One differs from the first.
    """
    for file in files:
        if (file.width, file.height) != (files[0].width, files[0].height):
            raise SequenceError(
                f"{printable(file.path.name)} in {printable(place)} has {file.width}x{file.height} pixels "
                f"and {printable(files[0].path.name)} has {files[0].width}x{files[0].height}: "
                "bring the frames of a sequence to one size."
            )


def check_whole(file: InputFile) -> None:
    """Refuse a frame that is cut short or damaged, as far as its file says so: no pixel is decoded.

    A PNG has checksums, a JPEG an end; of one whose middle is damaged the rest can be decoded, as ever. Of
    other formats only decoding tells.

    Raises
    ------
    ImageError
        It is not whole, and cannot be decoded as it is.
    """
    if _seems_damaged(file.path):
        file.photograph()  # some pictures can be decoded all the same; of others this says what is wrong


def _seems_damaged(path: Path) -> bool:
    from pst_core.images.png import SIGNATURE, is_whole  # and NumPy, which help does without

    with open_steadily(path) as file:
        head = file.read(len(SIGNATURE))
        if head == SIGNATURE:
            return not is_whole(head + file.read())
        if head.startswith(_JPEG):
            file.seek(-len(_JPEG_END), SEEK_END)
            return file.read() != _JPEG_END
        return False
