"""Videos that are refused: levels that are no colours as of photographs, frames that hold two moments.

References
----------
ITU-T H.273: Coding-independent code points for video signal type identification. 2021.
ITU-R BT.2100-2: Image parameter values for high dynamic range television. 2018.
"""

from pst_core.errors import SequenceError
from pst_core.printing import printable
from pst_core.sequences.video import VideoFrames, load_av, opened

_HDR = {16: "PQ", 18: "HLG"}
_WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""Transfer functions, and primaries, of H.273 that are not those of photographs."""
_TO_SDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)
_TO_BT709 = "zscale=p=bt709:t=bt709:m=bt709:r=tv"
_TO_WHOLE = "bwdif"


def check_odd(video: VideoFrames) -> None:
    """Refuse a video that is interlaced, HDR, or of wide primaries; its first frame is decoded.

    Raises
    ------
    SequenceError
        It is one of these.
    """
    tags, name = video.coding.tags, printable(video.path)
    if tags.transfer in _HDR:
        raise SequenceError(
            f"{name} is HDR ({_HDR[tags.transfer]}), whose levels would be taken for those of a photograph: "
            f"{_way_out(_TO_SDR)}."
        )
    if tags.primaries in _WIDE:
        raise SequenceError(
            f"{name} has the wide colours of {_WIDE[tags.primaries]}, which would be taken for sRGB's: "
            f"{_way_out(_TO_BT709)}."
        )
    if _is_interlaced(video):
        raise SequenceError(
            f"{name} is interlaced: a frame holds two moments, line by line; {_way_out(_TO_WHOLE)}."
        )


def _way_out(filters: str) -> str:
    return f"convert it first, as with ffmpeg -i IN -vf {filters} OUT"


def _is_interlaced(video: VideoFrames) -> bool:
    """Whether its first frame is; that there is none to be decoded is for others to tell."""
    av = load_av()
    with opened(video.path) as container:
        try:
            return bool(next(container.decode(container.streams.video[0])).interlaced_frame)
        except (av.error.FFmpegError, StopIteration):
            return False
