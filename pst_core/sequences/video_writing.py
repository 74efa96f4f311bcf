"""A video made of frames: the rate, the clock, the tags and the sound are its source's."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import SequenceError
from pst_core.printing import printable
from pst_core.sequences.video import BT709, DEEP_WHITE, RGB, VIDEOS, Coding, load_av, opened, swscale_matrix

QUALITY = "16"  # x264's constant rate factor: the loss is not seen
KEYWORD = "comment"  # the one tag that all of the formats keep


def check_video_name(path: Path) -> None:
    """Refuse a name of a video that says no format that is written.

    Raises
    ------
    SequenceError
        It ends in something else.
    """
    if path.suffix.lower() not in VIDEOS:
        raise SequenceError(
            f"{printable(path)} is not called like a video that is written: end its name with "
            f"{', '.join(VIDEOS)}."
        )


def check_sound(source: Path, target: Path) -> None:
    """Refuse a format that the source's sound does not go into as it is.

    Raises
    ------
    SequenceError
        Its codec has no place there.
    """
    with opened(source) as container:
        names = [stream.codec_context.name for stream in container.streams.audio]
    supported = load_av().open(_Nowhere(), "w", format=VIDEOS[target.suffix.lower()]).supported_codecs
    for name in names:
        if name not in supported:
            raise SequenceError(
                f"The sound of {printable(source)} ({name}) has no place in a {target.suffix} file as it is: "
                "name a .mkv or .mov with --video."
            )


class _Nowhere:
    """A file of which nothing is kept."""

    def write(self, data: bytes) -> int:
        """Take it."""
        return len(data)


def write_video(
    file: BinaryIO,
    suffix: str,
    frames: Iterable[NDArray[np.uint8] | NDArray[np.uint16]],
    coding: Coding,
    *,
    sound: Path | None = None,
    comment: str = "",
) -> None:
    """Write frames as H.264, with a source's sound as it is.

    Parameters
    ----------
    file
        Written to from its beginning.
    suffix
        One of `pst_core.sequences.video.VIDEOS`.
    frames
        RGB of the full range, shape (H, W, 3) each, of one size.
    coding
        Its tags are told, and RGB is coded by them.
    sound
        A video whose streams of sound are copied.
    comment
        Kept in the video.

    Raises
    ------
    SequenceError
        There is no frame, or FFmpeg refuses something.
    """
    av = load_av()
    try:
        with ExitStack() as stack:
            target = stack.enter_context(av.open(file, "w", format=VIDEOS[suffix]))
            target.metadata[KEYWORD] = comment
            source = None if sound is None else stack.enter_context(opened(sound))
            _fill(target, iter(frames), _as_coded(coding), source)
    except av.error.FFmpegError as error:
        raise SequenceError(
            f"The video cannot be written ({error.strerror}): name another --video."
        ) from error


def _as_coded(coding: Coding) -> Coding:
    """What is told of a copy: frames of a source that was coded as RGB are coded by BT.709."""
    if coding.tags.matrix != RGB:
        return coding
    return coding.model_copy(update={"tags": coding.tags._replace(matrix=BT709, full=False)})


def _fill(target: Any, frames: Iterator[Any], coding: Coding, source: Any) -> None:  # noqa: ANN401
    first = next(frames, None)
    if first is None:
        raise SequenceError("A video needs one frame at least.")
    stream = _stream(target, first, coding)
    sound = _sound(target, source)
    waiting = next(sound, None)
    for place, frame in enumerate(chain([first], frames)):
        picture = _coded(frame, place, stream, coding)
        while waiting is not None and waiting.dts * waiting.time_base <= picture.pts * picture.time_base:
            target.mux(waiting)
            waiting = next(sound, None)
        target.mux(stream.encode(picture))
    target.mux(stream.encode())
    for packet in chain([] if waiting is None else [waiting], sound):
        target.mux(packet)


def _sound(target: Any, source: Any) -> Iterator[Any]:  # noqa: ANN401
    """Packets of a source's sound for a target, which gets streams for them now."""
    copies = {} if source is None else {
        each.index: target.add_stream_from_template(each) for each in source.streams.audio
    }  # fmt: skip
    return _packets(source, copies) if copies else iter(())


def _packets(source: Any, copies: dict[int, Any]) -> Iterator[Any]:  # noqa: ANN401
    for packet in source.demux([*source.streams.audio]):
        if packet.dts is not None:
            packet.stream = copies[packet.stream.index]
            yield packet


def _stream(target: Any, frame: NDArray[Any], coding: Coding) -> Any:  # noqa: ANN401
    """A stream of video with the source's rate, clock and tags."""
    height, width = frame.shape[:2]
    stream = target.add_stream("libx264", rate=Fraction(coding.rate), options={"crf": QUALITY})
    stream.width, stream.height = width, height
    stream.pix_fmt = _pixels(coding.pixels, width, height, deep=frame.dtype == np.uint16)
    stream.time_base = stream.codec_context.time_base = Fraction(coding.tick)
    context, tags = stream.codec_context, coding.tags
    context.color_primaries, context.color_trc = tags.primaries, tags.transfer
    context.colorspace, context.color_range = tags.matrix, 2 if tags.full else 1
    context.sample_aspect_ratio = Fraction(coding.aspect)
    return stream


def _pixels(like: str, width: int, height: int, *, deep: bool) -> str:
    """What pixels are coded as: with as much colour as the source's, and as its size allows."""
    chroma = next((each for each in ("444", "422") if each in like), "420")
    if not like.startswith("yuv") or (chroma != "444" and width % 2) or (chroma == "420" and height % 2):
        chroma = "444"
    return f"yuv{chroma}p{'10le' if deep else ''}"


def _coded(pixels: NDArray[Any], place: int, stream: Any, coding: Coding) -> Any:  # noqa: ANN401
    """A frame by the matrix and the range of the tags, at its time."""
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Interpolation

    if pixels.dtype == np.uint8:
        rgb = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    else:
        levels = np.rint(pixels * (DEEP_WHITE / 65535)).astype(np.uint16)
        rgb = VideoFrame.from_ndarray(levels, format="rgb48le")
    frame = rgb.reformat(
        format=stream.pix_fmt, dst_colorspace=swscale_matrix(coding.tags, pixels.shape[0]),
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if coding.tags.full else ColorRange.MPEG,
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
    )  # fmt: skip
    tick = Fraction(coding.tick)
    frame.time_base = tick
    frame.pts = coding.begin + round(place / (Fraction(coding.rate) * tick))
    return frame


def comment_of(path: Path) -> str:
    """What `write_video` kept in a video; empty for any other file."""
    try:
        with opened(path) as container:
            told: str = container.metadata.get(KEYWORD) or container.metadata.get(KEYWORD.upper()) or ""
            return told
    except SequenceError:
        return ""
