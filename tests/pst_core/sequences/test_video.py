"""Videos against the equations of ITU-R BT.601, 709 and 2020, and against PyAV alone."""

import builtins
import struct

import av
import numpy as np
import pytest
from videos import frames, save_video, save_with_sound, sound_of

from pst_core.errors import SequenceError
from pst_core.sequences.video import Coding, Tags, as_rgb, probe_video
from pst_core.sequences.video_writing import check_sound, check_video_name, comment_of, write_video

LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
PLAIN = np.kron(np.random.default_rng(0).integers(20, 236, (2, 3, 3)), np.ones((32, 32, 1))).astype(np.uint8)


def coded(rgb, matrix, full):
    """Y, Cb and Cr in 8 bits by the equations."""
    red_share, blue_share = LUMA[matrix]
    red, green, blue = np.moveaxis(rgb / 255, -1, 0)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    chroma = [(blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)]
    if full:
        return np.stack([255 * luma, *(255 * each + 128 for each in chroma)])
    return np.stack([16 + 219 * luma, *(128 + 224 * each for each in chroma)])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 6, 9])
def test_colours_are_decoded_by_the_matrix_and_the_range_of_the_tags(matrix, full):
    frame = av.VideoFrame.from_ndarray(np.rint(coded(PLAIN, matrix, full)).astype(np.uint8), format="yuv444p")
    rgb = as_rgb(frame, Tags(matrix=matrix, full=full), deep=False)
    assert np.abs(rgb.astype(int) - PLAIN).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(64, 6), (720, 1)])
def test_without_tags_it_is_what_players_take(height, matrix):
    rgb = PLAIN.repeat(height // 64 + 1, axis=0)[:height]
    frame = av.VideoFrame.from_ndarray(np.rint(coded(rgb, matrix, False)).astype(np.uint8), format="yuv444p")
    assert np.abs(as_rgb(frame, Tags(2, 2, 2), deep=False).astype(int) - rgb).max() <= 2


def test_ten_bits_are_not_cut_to_eight():
    levels = np.linspace(64, 940, 96).round().astype(np.uint16)
    frame = av.VideoFrame(96, 64, "yuv444p10le")
    for plane, row in zip(frame.planes, (levels, np.full(96, 512), np.full(96, 512)), strict=True):
        lines = np.zeros((64, plane.line_size // 2), np.uint16)
        lines[:, :96] = row
        plane.update(lines.tobytes())
    gray = as_rgb(frame, Tags(), deep=True)[0, :, 1] / 65535
    assert np.abs(gray - (levels - 64.0) / 876).max() < 0.002 and len(np.unique(gray)) == 96


@pytest.mark.parametrize(("tags", "pixels"), [
    (Tags(), "yuv420p"), (Tags(5, 6, 6, True), "yuv422p"), (Tags(9, 16, 9), "yuv444p"),
])  # fmt: skip
def test_a_video_says_what_its_source_said_and_has_its_colours(tmp_path, tags, pixels):
    coding = Coding(rate="30000/1001", tick="1/30000", begin=1001, tags=tags, pixels=pixels, aspect="4/3")
    video = probe_video(save_video(tmp_path / "a.mp4", coding=coding))
    told = video.coding
    assert (told.rate, told.tags, told.aspect) == ("30000/1001", tags, "4/3")
    assert abs(told.begin - 1001) <= 30  # a thousandth of a second, as .mp4 counts beginnings
    assert video.count == 12 and pixels[3:] in told.pixels
    for decode, wanted in zip(video.decodings(range(12)), frames(12), strict=True):
        assert np.abs(np.moveaxis(decode().pixels, 0, -1) - wanted / 255).mean() < 0.02


def test_a_copy_of_what_was_coded_as_rgb_is_coded_by_bt709(tmp_path):
    coding = Coding(rate="24", tick="1/24", tags=Tags(1, 13, 0, True), pixels="gbrp")
    video = probe_video(save_video(tmp_path / "a.mp4", 1, coding=coding))
    assert video.coding.tags == Tags(1, 13, 1) and video.coding.pixels == "yuv444p"
    (decode,) = video.decodings([0])
    assert np.abs(np.moveaxis(decode().pixels, 0, -1) - next(frames(1)) / 255).mean() < 0.01


def test_any_frame_is_found_without_those_before_it(tmp_path):
    video, wanted = probe_video(save_video(tmp_path / "a.mkv", 40)), [*frames(40)]
    for places in ([0], [17, 31], [39]):
        for place, decode in zip(places, video.decodings(places), strict=True):
            assert np.abs(decode().pixels - np.moveaxis(wanted[place] / 255, -1, 0)).mean() < 0.02
    part = video.part(20, 30)
    assert part.count == 10 and part.contents == video.contents[20:30]
    (decode,) = part.decodings([3])
    assert np.abs(decode().pixels - np.moveaxis(wanted[23] / 255, -1, 0)).mean() < 0.02


def test_ten_bits_come_back_as_they_were(tmp_path):
    ramp = np.broadcast_to(np.linspace(0, 65535, 96).round()[:, None], (64, 96, 3)).astype(np.uint16)
    with (tmp_path / "deep.mp4").open("w+b") as file:
        write_video(file, ".mp4", [ramp], Coding.at_rate(24))
    video = probe_video(tmp_path / "deep.mp4")
    (decode,) = video.decodings([0])
    found = decode()
    assert video.coding.pixels == "yuv420p10le" and found.bit_depth == 16
    missed = np.moveaxis(found.pixels, 0, -1) - ramp / 65535
    assert np.abs(missed).mean() < 0.003 and abs(missed.mean()) < 0.0005


def test_sound_is_copied_as_it_is(tmp_path):
    source, target = save_with_sound(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    save_video(target, coding=probe_video(source).coding, sound=source)
    assert sound_of(target) == sound_of(source)
    assert probe_video(target).coding.rate == "25"


def test_sound_lies_beside_its_frames_in_the_file(tmp_path):
    source, target = save_with_sound(tmp_path / "a.mp4", 50), tmp_path / "b.mp4"
    save_video(target, 50, coding=probe_video(source).coding, sound=source)
    with av.open(str(target)) as container:
        packets = sorted((packet.pos, packet.stream.type) for packet in container.demux() if packet.size)
    kinds = [kind for _, kind in packets]
    assert kinds[:10].count("audio") > 1 and kinds[-10:].count("video") > 1


def test_sound_without_a_place_is_told_before_any_work(tmp_path):
    source = save_with_sound(tmp_path / "a.mkv", codec="wavpack")
    with pytest.raises(SequenceError, match=r"a\.mkv \(wavpack\) has no place in a \.mp4 file"):
        check_sound(source, tmp_path / "b.mp4")
    check_sound(source, tmp_path / "b.mkv")


def test_a_comment_is_kept_and_elsewhere_there_is_none(tmp_path):
    for name in ("a.mp4", "a.mkv", "a.mov"):
        assert comment_of(save_video(tmp_path / name, comment='{"key": "k"}')) == '{"key": "k"}'
    (tmp_path / "text.mp4").write_text("no video")
    assert comment_of(tmp_path / "text.mp4") == ""


def test_frames_of_odd_sizes_keep_every_pixel(tmp_path):
    with (tmp_path / "odd.mp4").open("w+b") as file:
        write_video(file, ".mp4", frames(2, 33, 51), Coding.at_rate(24))
    (first, _) = probe_video(tmp_path / "odd.mp4").decodings([0, 1])
    assert first().pixels.shape == (3, 33, 51)


def test_a_video_that_was_filmed_upright_is_turned(tmp_path):
    path = save_video(tmp_path / "a.mp4", 2)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # the matrix of version 0 of the box
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    (decode,) = probe_video(path).decodings([0])
    wanted = np.rot90(next(frames(1)), -1) / 255  # by a quarter, with the clock
    assert np.abs(np.moveaxis(decode().pixels, 0, -1) - wanted).mean() < 0.02


def test_a_rate_that_varies_is_refused(tmp_path):
    times = [40 * place + 60 * (place > 5) for place in range(12)]
    with pytest.raises(SequenceError, match=r"variable rate \(10 to 25 frames a second\): convert it"):
        probe_video(save_with_sound(tmp_path / "a.mkv", codec=None, times=times))


def test_a_clock_of_thousandths_is_no_varying_rate(tmp_path):
    times = [round(1000 * place / 24) for place in range(12)]
    assert (
        abs(eval(probe_video(save_with_sound(tmp_path / "a.mkv", codec=None, times=times)).coding.rate) - 24)
        < 0.1
    )


@pytest.mark.parametrize("content", [b"", b"text", b"\0\0\0\x18ftypmp42" + bytes(200)])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(SequenceError, match=r"a\.mp4 (is no video that can be read|holds no)"):
        probe_video(path)


def test_a_video_that_is_cut_short_says_so(tmp_path):
    path = save_video(tmp_path / "a.mkv", 40)
    video = probe_video(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SequenceError, match=r"a\.mkv cannot be decoded"):
        for decode in video.decodings(range(40)):
            decode()


def test_a_name_that_says_no_format_is_refused(tmp_path):
    with pytest.raises(SequenceError, match=r"out\.avi is not called like a video"):
        check_video_name(tmp_path / "out.avi")


def test_without_pyav_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *details):
        if name.split(".")[0] == "av":
            raise ImportError(name)
        return real(name, *details)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SequenceError, match=r"pip install photoreal-style\[video\]"):
        probe_video(tmp_path / "a.mp4")
