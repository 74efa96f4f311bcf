import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from pst_core.errors import ImageError, MapError
from pst_core.images import input_files, limits, reading
from pst_core.images.input_files import InputFile, InputFiles, probe, reading_once
from pst_core.images.roles import ROLES


def save(path, width=48, height=36, seed=0, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def files(tmp_path):
    """A pair with its maps, each role in a file of its name."""
    for seed, role in enumerate(("content", "style")):
        save(tmp_path / f"{role}.png", seed=seed)
        halves = np.zeros((36, 48, 3), np.uint8)
        halves[:, :24] = (0, 0, 255)
        halves[0, 0] = (0, seed, 255)  # no two maps of the same bytes
        Image.fromarray(halves).save(tmp_path / f"{role}_map.png")
    return InputFiles(**{role: probe(tmp_path / f"{role}.png") for role in ROLES})


@pytest.mark.parametrize("name, kind", [
    ("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.webp", "WEBP"), ("x.tif", "TIFF"), ("x.bmp", "BMP"),
    ("misnamed.txt", "PNG"),
])  # fmt: skip
def test_hash_and_size_are_the_files_own(tmp_path, name, kind):
    path = save(tmp_path / name, 71, 43, format=kind)
    found = probe(path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with Image.open(path) as image:
        assert (found.width, found.height) == image.size == (71, 43)
    assert found.path == path
    assert probe(os.fspath(path)) == found


def test_size_is_the_headers_before_any_turning(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, to be shown upright
    path = save(tmp_path / "x.jpg", 64, 40, exif=exif)
    found = probe(path)
    assert (found.width, found.height) == (64, 40)
    photograph = found.photograph()
    assert (photograph.width, photograph.height) == (40, 64)
    assert found.side == 64 == max(photograph.pixels.shape[1:])


@pytest.mark.parametrize(("width", "height"), [(90, 40), (40, 90), (50, 50)])
def test_side_is_the_longer_one(width, height):
    assert InputFile(path="x", sha256="0" * 64, width=width, height=height).side == max(width, height)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff" + bytes(50)])
def test_what_is_no_picture_is_an_image_error_with_its_name(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png"):
        probe(path)


def test_what_is_missing_or_a_folder_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match=r"nothing\.png"):
        probe(tmp_path / "nothing.png")
    with pytest.raises(ImageError, match="folder"):
        probe(tmp_path)


def test_a_photograph_is_decoded_as_it_was_probed(tmp_path):
    path = save(tmp_path / "x.png", seed=3)
    photograph = probe(path).photograph()
    expected = np.random.default_rng(3).integers(0, 256, (36, 48, 3), np.uint8)
    np.testing.assert_allclose(np.moveaxis(photograph.pixels, 0, -1) * 255, expected, atol=1e-3)


def test_a_photograph_that_changed_meanwhile_is_refused_by_name(tmp_path):
    path = save(tmp_path / "x.png", seed=3)
    planned = probe(path)
    save(path, seed=4)
    with pytest.raises(ImageError, match=r"x\.png changed"):
        planned.photograph()
    path.unlink()
    with pytest.raises(ImageError, match=r"x\.png does not exist"):
        planned.photograph()


def test_a_file_that_was_only_touched_is_no_other(tmp_path):
    path = save(tmp_path / "x.png", seed=3)
    planned = probe(path)
    os.utime(path, (1, 1))
    assert planned.photograph().sha256 == planned.sha256


def test_given_names_the_roles_that_are_there(files):
    assert tuple(files.given) == ROLES
    bare = InputFiles(content=files.content, style=files.style)
    assert bare.given == {"content": files.content, "style": files.style}


def test_load_decodes_every_role(files):
    inputs = files.load()
    assert inputs.hashes == {role: getattr(files, role).sha256 for role in ROLES}
    bare = InputFiles(content=files.content, style=files.style).load()
    assert set(bare.hashes) == {"content", "style"}
    assert bare.content_map is None and bare.style_map is None


@pytest.mark.parametrize("role", ROLES)
def test_load_refuses_a_change_in_any_role_by_name(files, role):
    save(getattr(files, role).path, seed=99)
    with pytest.raises(ImageError, match=rf"/{role}\.png changed"):
        files.load()


@pytest.mark.parametrize("role", ["content_map", "style_map"])
def test_one_map_without_the_other_is_refused(files, role):
    with pytest.raises(MapError):
        files.model_copy(update={role: None}).load()


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded, in order."""
    names, decode = [], reading.decode
    monkeypatch.setattr(
        reading, "decode", lambda picture, path: names.append(path.name) or decode(picture, path)
    )
    return names


def test_within_a_block_a_photograph_is_decoded_once(files, decoded):
    with reading_once():
        inputs = files.load()
        assert files.content.photograph() is files.content.photograph() is inputs.content
        with reading_once():  # within another it is the same one
            assert files.style.photograph() is inputs.style
        again = InputFile(**files.style.model_dump())  # as a task gets it, made anew
        assert again.photograph() is inputs.style
    assert decoded == [f"{role}.png" for role in ROLES]


def test_what_nobody_needs_any_more_is_let_go(files, decoded):
    with reading_once():
        files.load()
        files.content.let_go()
        assert files.style.photograph() and files.content.photograph()
    assert decoded == [*(f"{role}.png" for role in ROLES), "content.png"]


def test_beyond_the_block_nothing_is_kept(files, decoded):
    outside = [files.content.photograph() for _ in range(2)]
    with reading_once():
        inside = files.content.photograph()
    with reading_once():
        later = files.content.photograph()
    with pytest.raises(KeyError), reading_once():  # whatever happens in it
        raise KeyError
    last = files.content.photograph()
    assert decoded == ["content.png"] * 5
    for photograph in (*outside, later, last):
        assert photograph is not inside
        np.testing.assert_array_equal(photograph.pixels, inside.pixels)


def test_what_a_file_was_in_the_block_it_stays(files):
    with reading_once():
        first = files.content.photograph()
        save(files.content.path, seed=99)
        assert files.content.photograph() is first
        with pytest.raises(ImageError, match=r"content\.png changed"):  # not for other bytes
            InputFile(**files.content.model_dump() | {"sha256": "0" * 64}).photograph()
        save(files.style.path, seed=99)
        with pytest.raises(ImageError, match=r"style\.png changed"):
            files.style.photograph()
        with pytest.raises(ImageError, match=r"style\.png changed"):
            files.style.photograph()


@pytest.fixture
def read(monkeypatch):
    """Names of the files that were read, in order."""
    names, read = [], limits.read_accepted
    monkeypatch.setattr(
        limits, "read_accepted", lambda path, *more: names.append(path.name) or read(path, *more)
    )
    return names


def test_within_a_block_a_file_is_read_once_from_its_hash_to_its_pixels(files, read):
    with reading_once():
        again = {role: probe(file.path) for role, file in files.given.items()}
        assert InputFiles(**again) == files
        files.load()
        files.load()
    assert read == [f"{role}.png" for role in ROLES]


def test_what_changed_after_its_hash_was_taken_is_read_again_and_refused(files, read):
    with reading_once():
        probe(files.content.path)
        save(files.content.path, seed=99)
        with pytest.raises(ImageError, match=r"content\.png changed"):
            files.content.photograph()
    assert read == ["content.png"] * 2


def test_what_would_be_too_much_to_hold_is_read_again(files, read, monkeypatch):
    monkeypatch.setattr(input_files, "MOST_HELD", files.content.path.stat().st_size)
    with reading_once():
        for role in ("content", "style"):
            probe(getattr(files, role).path)
        files.content.photograph()
        files.style.photograph()
    assert read == ["content.png", "style.png", "style.png"]


def test_a_map_is_decoded_as_it_was_probed_and_refused_once_it_changed(files):
    assert files.content_map.semantic_map().sha256 == files.content_map.sha256
    save(files.content_map.path, seed=99)
    with pytest.raises(ImageError, match=r"content_map\.png changed"):
        files.content_map.semantic_map()


def test_further_styles_share_the_content(files):
    several = files.model_copy(update={"style_2": files.content, "style_2_map": files.style_map})
    assert tuple(several.given) == (*ROLES, "style_2", "style_2_map")
    assert several.styles == (files.style, files.content)
    first, second = several.by_style
    assert first == files
    assert second == files.model_copy(update={"style": files.content})
    assert several.pixels == files.pixels + files.content.width * files.content.height
