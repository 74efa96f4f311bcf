from contextlib import nullcontext
from shutil import copy, copytree

import numpy as np
import pytest
from other_users import ANNA, acting_as, shared_folder
from PIL import Image
from videos import save_video, save_with_sound

from flows import layout
from flows.orders.apply_order import ApplyOrder, check_photographs
from flows.orders.batch_order import load_batch_order
from flows.orders.sequence_order import SequenceOrder, check_sequence, load_sequence_order
from flows.pairs.pair import PairingError
from pst_core.errors import ConfigError, ImageError, OutputError, PstError, SequenceError
from pst_core.sequences.video import Coding, Tags


@pytest.fixture
def order(tmp_path):
    """Three frames, and another one in a subfolder."""
    for name in ("style", "frames/8", "frames/9", "frames/10", "frames/sub/11"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40)).save(tmp_path / f"{name}.png")
    return SequenceOrder(source=tmp_path / "frames", style=tmp_path / "style.png", out=tmp_path / "out")


def test_frames_are_those_in_the_folder_itself_in_the_order_of_their_numbers(order):
    found = check_sequence(order)
    assert found.names == ("8", "9", "10") and [path.stem for path in found.pictures] == ["8", "9", "10"]
    assert order.video_wanted is None


def test_frames_of_a_video_are_called_by_their_numbers(order, tmp_path):
    clip = save_video(tmp_path / "clip.mkv", 3)
    of_video = order.model_copy(update={"source": clip})
    assert check_sequence(of_video).names == ("000001", "000002", "000003")
    assert of_video.video_wanted == tmp_path / "out" / layout.VIDEO


def test_what_a_video_lacks_is_told_before_any_work(order, tmp_path, monkeypatch):
    def missing():
        raise SequenceError("Videos need PyAV")

    monkeypatch.setattr("pst_core.sequences.video.load_av", missing)
    with pytest.raises(SequenceError, match="need PyAV"):
        check_sequence(order.model_copy(update={"video": tmp_path / "film.mp4"}))
    assert not (tmp_path / "out").exists()


def test_sound_without_a_place_is_told_before_any_work(order, tmp_path):
    clip = save_with_sound(tmp_path / "clip.mkv", codec="wavpack")
    with pytest.raises(SequenceError, match=r"\(wavpack\) has no place in a \.mp4 file"):
        check_sequence(order.model_copy(update={"source": clip}))


def test_the_source_is_not_written_over(order, tmp_path):
    clip = save_video(tmp_path / "clip.mp4", 3)
    with pytest.raises(SequenceError, match="is the source and would be lost"):
        check_sequence(order.model_copy(update={"source": clip, "video": clip}))


def test_frames_that_lie_in_subfolders_alone_are_asked_for_by_name(order, tmp_path):
    with pytest.raises(SequenceError, match=r"no frame in .* itself: name the folder that holds them"):
        for path in (tmp_path / "frames").glob("*.png"):
            path.unlink()
        check_sequence(order)


def test_an_order_comes_back_and_is_no_batch(order, tmp_path):
    order.save()
    assert load_sequence_order(tmp_path / "out") == order and load_sequence_order(tmp_path) is None
    with pytest.raises(ConfigError, match="holds a sequence: pst resume"):
        load_batch_order(tmp_path / "out")


@pytest.mark.parametrize(("place", "sentence"), [
    ("film.avi", r"film\.avi is not called like a video that is written: end its name with \.mp4, "),
    ("film", "end its name with"),
    ("a folder.mp4", r"a folder\.mp4 could not be written: a folder of that name is in the way; choose"),
    ("style.png/film.mp4", r"style\.png could not be written: a file stands in the place of a folder;"),
    ("style.png/new/film.mp4", r"style\.png could not be written: a file stands in the place of a folder;"),
    (f"{300 * 'f'}.mp4", "could not be written: the name is too long; choose a shorter one"),
    ("a\0b.mp4", "is not a name a file can have; choose another one"),
    ("nobody's/film.mp4", "nobody's could not be written: it belongs to .*; change the permissions"),
    ("nobody's/new/film.mp4", "nobody's could not be written: it belongs to .*; change the permissions or"),
])  # fmt: skip
def test_where_no_video_can_lie_is_told_before_any_frame_is_read(order, place, sentence):
    with shared_folder() as folder:
        (folder / "a folder.mp4").mkdir()
        (folder / "nobody's").mkdir(mode=0o555)
        copytree(order.source, folder / "frames")
        copy(order.style, folder / "style.png")
        (folder / "frames" / "9.png").write_bytes(b"")  # told as soon as it is read
        given = {"source": folder / "frames", "style": folder / "style.png", "out": folder / "out"}
        asked = order.model_copy(update=given | {"video": folder / place})
        user = acting_as(ANNA, 0o002) if "nobody" in place else nullcontext()
        with user, pytest.raises(PstError, match=sentence):
            check_sequence(asked)
        assert not (folder / "out").exists() and not (folder / "nobody's" / "new").exists()


def test_a_results_folder_that_cannot_be_written_is_told_before_any_frame_is_read(order, tmp_path):
    (tmp_path / "frames" / "9.png").write_bytes(b"")
    with pytest.raises(OutputError, match=r"style\.png could not be written: a file stands in the place"):
        check_sequence(order.model_copy(update={"out": tmp_path / "style.png" / "out"}))


def test_folders_that_are_missing_are_made_for_a_video(order, tmp_path):
    check_sequence(order.model_copy(update={"video": tmp_path / "new" / "films" / "film.mp4"}))
    assert (tmp_path / "new" / "films").is_dir()


def test_a_single_frame_is_not_taken_for_a_video(order, tmp_path):
    with pytest.raises(SequenceError, match="is a photograph: name its folder"):
        check_sequence(order.model_copy(update={"source": tmp_path / "frames" / "8.png"}))


def cut(path, kind, share):
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(path, kind)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.98])
def test_a_frame_that_is_cut_short_is_named_before_any_work(order, tmp_path, kind, share):
    cut(tmp_path / "frames" / "9.png", kind, share)
    with pytest.raises(ImageError, match=r"frames/9\.png .*(cut short|damaged)"):
        check_sequence(order)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [
    lambda data, middle: data[:middle] + bytes(64) + data[middle + 64 :],
    lambda data, middle: data[:middle] + data[middle + 64 :],
    lambda data, middle: data[:middle] + data[-12:],
])  # fmt: skip
def test_a_frame_that_is_damaged_in_its_middle_is_named_before_any_work(order, tmp_path, damage):
    path = tmp_path / "frames" / "9.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(damage(data, len(data) // 2))
    with pytest.raises(ImageError, match=r"frames/9\.png is .*(damaged|cut short)"):
        check_sequence(order)
    assert not (tmp_path / "out").exists()


def test_a_frame_whose_pixels_are_sound_is_a_frame(order, tmp_path):
    """What a picture can be shown without may have a wrong checksum, and more may come behind its end."""
    path = tmp_path / "frames" / "9.png"
    Image.new("RGB", (40, 40)).save(path, dpi=(72, 72))
    data = path.read_bytes()
    place = data.index(b"pHYs")
    path.write_bytes(data[: place + 13] + bytes(4) + data[place + 17 :] + b"more")
    assert check_sequence(order).names == ("8", "9", "10")


def test_a_frame_that_lacks_nothing_but_its_end_marker_is_a_frame(order, tmp_path):
    path = tmp_path / "frames" / "9.png"
    Image.new("RGB", (40, 40)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-2])
    assert check_sequence(order).names == ("8", "9", "10")


def test_frames_of_two_sizes_are_told_before_any_work(order, tmp_path):
    Image.new("RGB", (50, 40)).save(tmp_path / "frames" / "9.png")
    with pytest.raises(SequenceError, match=r"9\.png in .* has 50x40 pixels and 8\.png has 40x40"):
        check_sequence(order)


def test_whole_frames_are_not_decoded_to_be_told_whole(order, monkeypatch):
    monkeypatch.setattr("pst_core.images.reading.read_photograph", None)
    assert check_sequence(order).names == ("8", "9", "10")


def test_a_map_that_cannot_be_read_is_named_before_any_work(order, tmp_path):
    (tmp_path / "maps").mkdir()
    for name in ("8", "9", "10"):
        Image.new("RGB", (40, 40)).save(tmp_path / "maps" / f"{name}.png")
    (tmp_path / "maps" / "10.png").write_bytes(b"")
    maps = {"maps": tmp_path / "maps", "style_map": tmp_path / "style.png"}
    with pytest.raises(ImageError, match=r"maps/10\.png is empty"):
        check_sequence(order.model_copy(update=maps))


@pytest.mark.parametrize(("name", "sentence"), [
    ("empty", r"There is no map in .*empty: put the maps there"),
    ("style.png", r"There is no folder .*style\.png of maps"),
])  # fmt: skip
def test_a_folder_without_maps_is_told_in_words_of_maps(order, tmp_path, name, sentence):
    (tmp_path / "empty").mkdir()
    maps = {"maps": tmp_path / name, "style_map": tmp_path / "style.png"}
    with pytest.raises(PairingError, match=sentence) as caught:
        check_sequence(order.model_copy(update=maps))
    assert "photograph" not in str(caught.value)
    application = ApplyOrder(
        look=tmp_path / "look.cube", source=order.source, out=order.out, maps=maps["maps"]
    )
    with pytest.raises(PairingError, match=sentence):
        check_photographs(application)


def test_a_video_whose_colours_would_come_out_wrong_is_refused_before_any_work(order, tmp_path):
    clip = save_video(tmp_path / "clip.mp4", 2, Coding(rate="25", tags=Tags(9, 18, 9)))
    with pytest.raises(SequenceError, match=r"is HDR \(HLG\)"):
        check_sequence(order.model_copy(update={"source": clip}))
    assert not (tmp_path / "out").exists()
