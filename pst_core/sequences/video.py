"""Videos: frames in, as RGB by what their tags say, and out, with the tags and the sound of their source.

PyAV, the extra ``video``, brings FFmpeg along.

References
----------
ITU-T H.273: Coding-independent code points for video signal type identification. 2021.
"""

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from pst_core.errors import SequenceError
from pst_core.images.reading import Photograph
from pst_core.printing import printable
from pst_core.sequences.footage import Decoding

if TYPE_CHECKING:
    from av import VideoFrame

DEEP_WHITE = 255 << 8
"""What white is in 16 bits for FFmpeg's conversions, both ways."""
_UNSPECIFIED = 2  # of H.273's code points
RGB, BT709, _BT601 = 0, 1, 6
_SWSCALE = {RGB: None, 1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""Matrix of H.273 -> FFmpeg's number for it."""
_RANGES = {"tv": 1, "pc": 2}  # as FFmpeg counts them
_HIGH = 720  # lines from which a video without tags is taken for BT.709, as players do
VIDEOS: dict[str, str] = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""How the names of videos end that are written, and FFmpeg's name of what is written then."""
INSTALL = "pip install photoreal-style[video]"


class Tags(NamedTuple):
    """How colours are coded, by H.273's code points, and the range of levels.

    Attributes
    ----------
    primaries, transfer, matrix : int
    full : bool
        Whether levels go from 0 to the top, instead of from 16 to 235 of 255.
    """

    primaries: int = BT709
    transfer: int = BT709
    matrix: int = BT709
    full: bool = False


class Coding(BaseModel):
    """How a video is coded besides its pixels.

    Attributes
    ----------
    rate : str
        Frames a second, as a fraction: ``30000/1001``.
    tick : str
        Unit of the stream's clock in seconds, as a fraction.
    begin : int
        Time of its very first frame, in ticks.
    tags : Tags
        As they are told; a copy tells the same.
    pixels : str
        FFmpeg's name of the pixels' format: ``yuv420p``.
    aspect : str
        Width of a pixel over its height, as a fraction.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: str
    tick: str = "1/12800"
    begin: int = 0
    tags: Tags = Tags()
    pixels: str = "yuv420p"
    aspect: str = "1"

    @classmethod
    def at_rate(cls, rate: float) -> Self:
        """That of frames which are no video's: tagged as BT.709, as nearly all videos are."""
        exact = Fraction(rate).limit_denominator(1001)
        return cls(rate=str(exact), tick=str(1 / exact))


class VideoFrames(BaseModel):
    """Frames of a video.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the whole file.
    coding : Coding
    size : pair of int
        Width and height of each in pixels, before any turning upright.
    first, count : int
        Place of the first of these frames in the video, and how many they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    sha256: str
    coding: Coding
    size: tuple[int, int]
    first: int
    count: int

    @property
    def contents(self) -> tuple[str, ...]:
        """The video's sha256 with each frame's place."""
        return tuple(f"{self.sha256} {self.first + place}" for place in range(self.count))

    def part(self, first: int, stop: int) -> Self:
        """Some frames in a row."""
        return self.model_copy(update={"first": self.first + first, "count": stop - first})

    def decodings(self, places: Sequence[int]) -> Iterator[Decoding]:
        """What decodes each of some frames, whose places ascend.

        Raises
        ------
        SequenceError
            The video cannot be decoded so far, or PyAV is missing.
        """
        wanted = [self.first + place for place in places]
        frames = self._from(wanted[0]) if wanted else iter(())
        missing = iter(wanted)
        place = next(missing, None)
        for found, frame in frames:
            if found == place:
                yield lambda frame=frame: _photograph(frame, self)  # type: ignore[misc]
                place = next(missing, None)
                if place is None:
                    return
        if place is not None:
            raise SequenceError(
                f"{printable(self.path)} cannot be decoded as far as frame {place + 1}, so it is damaged: "
                "copy it again."
            )

    def _from(self, place: int) -> "Iterator[tuple[int, VideoFrame]]":
        """Frames with their places, from the nearest one before a place at which decoding can begin."""
        av = load_av()
        rate, begin = Fraction(self.coding.rate), self.coding.begin
        with opened(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if place:
                container.seek(begin + int(place / rate / stream.time_base), stream=stream)
            try:
                for frame in container.decode(stream):
                    if frame.pts is not None:
                        yield round((frame.pts - begin) * stream.time_base * rate), frame
            except av.error.FFmpegError as error:
                raise SequenceError(
                    f"{printable(self.path)} cannot be decoded ({error.strerror}): copy it again."
                ) from error


def load_av() -> Any:  # noqa: ANN401 - a module
    """PyAV.

    Raises
    ------
    SequenceError
        It is not installed.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise SequenceError(f"Videos need PyAV, which is not installed: {INSTALL}.") from error
    return av


def probe_video(path: Path) -> VideoFrames:
    """Find out what a video is, and that its frames come at a constant rate; nothing is decoded.

    Raises
    ------
    SequenceError
        It is no video, has no frames, or not a constant rate; or PyAV is missing.
    """
    load_av()
    with opened(path) as container:
        if not container.streams.video:
            raise SequenceError(f"{printable(path)} holds no video: name a video, or a folder of frames.")
        stream = container.streams.video[0]
        context = stream.codec_context
        times = sorted(
            packet.pts if packet.pts is not None else packet.dts
            for packet in container.demux(stream)
            if packet.size and not packet.is_discard and (packet.pts is not None or packet.dts is not None)
        )
        if not times:
            raise SequenceError(f"{printable(path)} holds no frame: name another video.")
        size = context.width, context.height
        rate = _rate_of(times, stream.average_rate, stream.time_base, path)
        coding = Coding(
            rate=str(rate), tick=str(stream.time_base), begin=times[0], tags=_tags_of(context),
            pixels=context.pix_fmt or "yuv420p", aspect=str(stream.sample_aspect_ratio or 1),
        )  # fmt: skip
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return VideoFrames(path=path, sha256=sha256, coding=coding, size=size, first=0, count=len(times))


def opened(path: Path) -> Any:  # noqa: ANN401 - a container of PyAV's
    """A video to be read.

    Raises
    ------
    SequenceError
        It is none, or PyAV is missing.
    """
    av = load_av()
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SequenceError(
            f"{printable(path)} is no video that can be read ({why}): name a video, or a folder of frames."
        ) from error


def _rate_of(times: Sequence[int], told: Fraction | None, tick: Fraction, path: Path) -> Fraction:
    """Frames a second, if each frame is where a constant rate has it, to a tick of the clock."""
    if len(times) == 1:
        return told or Fraction(25)
    mean = Fraction(len(times) - 1) / ((times[-1] - times[0]) * tick or Fraction(1))
    for rate in dict.fromkeys((told or mean, mean)):
        step = 1 / (rate * tick)
        if all(abs(time - times[0] - place * step) <= 1 for place, time in enumerate(times)):
            return rate
    steps = [after - before for before, after in pairwise(times)]
    slowest, fastest = (float(1 / (step * tick)) for step in (max(steps), max(min(steps), 1)))
    raise SequenceError(
        f"{printable(path)} has a variable rate ({slowest:.3g} to {fastest:.3g} frames a second): convert it "
        "to a constant one first, as with ffmpeg -i IN -fps_mode cfr OUT."
    )


def _tags_of(context: Any) -> Tags:  # noqa: ANN401 - a codec context of PyAV's
    full = context.color_range == _RANGES["pc"] or str(context.pix_fmt).startswith("yuvj")
    return Tags(int(context.color_primaries), int(context.color_trc), int(context.colorspace), bool(full))


def swscale_matrix(tags: Tags, height: int) -> int | None:
    """FFmpeg's number of the matrix that colours are coded by: of no tag the one that players take.

    None for RGB, which takes none.

    Raises
    ------
    SequenceError
        It is one that is not known.
    """
    if tags.matrix == _UNSPECIFIED:
        return BT709 if height >= _HIGH else _SWSCALE[_BT601]
    if tags.matrix not in _SWSCALE:
        raise SequenceError(
            f"The video's colours are coded by matrix {tags.matrix} of H.273, which is not read: convert it "
            "to BT.709 first."
        )
    return _SWSCALE[tags.matrix]


def as_rgb(frame: "VideoFrame", tags: Tags, *, deep: bool) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """A frame of a video as RGB of the full range, 8 or 16 bits a channel; shape (H, W, 3)."""
    from av.video.reformatter import ColorRange, Interpolation

    fine = (
        Interpolation.BICUBIC | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
    )  # fmt: skip
    matrix = swscale_matrix(tags, frame.height)
    rgb = frame.reformat(
        format="rgb48le" if deep else "rgb24", src_colorspace=matrix,
        src_color_range=ColorRange.JPEG if tags.full or matrix is None else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG, interpolation=fine,
    )  # fmt: skip
    pixels: NDArray[np.uint8] | NDArray[np.uint16] = rgb.to_ndarray()
    if deep:
        pixels = np.rint(pixels * (65535 / DEEP_WHITE)).clip(0, 65535).astype(np.uint16)
    turns = round(frame.rotation / 90) % 4  # against the clock: phones film as they are held, and say so
    return np.rot90(pixels, turns) if turns else pixels


def _photograph(frame: "VideoFrame", video: VideoFrames) -> Photograph:
    deep = any(component.bits > 8 for component in frame.format.components)
    rgb = as_rgb(frame, video.coding.tags, deep=deep)
    pixels = np.ascontiguousarray(np.moveaxis(rgb, -1, 0), np.float32) / np.float32(np.iinfo(rgb.dtype).max)
    return Photograph(pixels, None, video.sha256, video.path, 16 if deep else 8)
