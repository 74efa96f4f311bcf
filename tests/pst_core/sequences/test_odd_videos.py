"""Videos whose levels are no colours as of photographs, or whose frames hold two moments."""

import av
import pytest
from videos import frames, save_video

from pst_core.errors import SequenceError
from pst_core.sequences.odd_videos import check_odd
from pst_core.sequences.video import Coding, Tags, probe_video


def save_interlaced(path):
    """A video whose lines were taken in turns, by x264's own word."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"x264-params": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for pixels in frames(4):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        target.mux(stream.encode())
    return path


@pytest.mark.parametrize(("tags", "sentence"), [
    (Tags(9, 16, 9), r"a\.mp4 is HDR \(PQ\), .* ffmpeg -i IN -vf zscale=t=linear\S* OUT\.$"),
    (Tags(9, 18, 9), r"a\.mp4 is HDR \(HLG\), .* ffmpeg -i IN -vf zscale=t=linear\S* OUT\.$"),
    (Tags(9, 14, 9), r"a\.mp4 has the wide colours of BT\.2020, .* -vf zscale=p=bt709\S* OUT\.$"),
    (Tags(12, 13, 1), r"a\.mp4 has the wide colours of Display P3, "),
])  # fmt: skip
def test_colours_that_would_be_taken_for_others_are_refused(tmp_path, tags, sentence):
    video = probe_video(save_video(tmp_path / "a.mp4", 2, Coding(rate="25", tags=tags)))
    with pytest.raises(SequenceError, match=sentence):
        check_odd(video)


@pytest.mark.parametrize("tags", [Tags(), Tags(2, 2, 2), Tags(5, 6, 5), Tags(6, 6, 6), Tags(1, 13, 1, True)])
def test_colours_as_of_photographs_are_taken(tmp_path, tags):
    check_odd(probe_video(save_video(tmp_path / "a.mp4", 2, Coding(rate="25", tags=tags))))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_of_two_moments_are_refused(tmp_path, name):
    video = probe_video(save_interlaced(tmp_path / name))
    with pytest.raises(SequenceError, match=r"is interlaced: .* ffmpeg -i IN -vf bwdif OUT\.$"):
        check_odd(video)


def test_a_video_that_cannot_be_decoded_is_not_told_of_here(tmp_path):
    path = save_video(tmp_path / "a.mkv", 2)
    video = probe_video(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 :] = bytes(len(data) - len(data) // 3)
    path.write_bytes(data)
    check_odd(video)
