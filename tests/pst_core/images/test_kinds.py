"""What a file is, by its first bytes."""

import io
import os

import pytest
from PIL import Image

from pst_core.images import kinds
from pst_core.images.kinds import HEAD, kind_of, kind_of_file


def saved(form, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 90, 30)).save(buffer, form, **options)
    return buffer.getvalue()[:HEAD]


def brands(major, *others):
    return (16 + 4 * len(others)).to_bytes(4, "big") + b"ftyp" + major + bytes(4) + b"".join(others)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("JPEG", kinds.JPEG), ("PNG", kinds.PNG), ("WEBP", kinds.WEBP), ("TIFF", kinds.TIFF),
        ("BMP", kinds.BMP), ("AVIF", kinds.AVIF),
    ],
)  # fmt: skip
def test_photographs_are_known_as_they_are_saved(form, kind):
    assert kind_of(saved(form)) is kind
    assert kind.family == "photograph"
    assert kind.extra is None


@pytest.mark.parametrize("form", ["GIF", "PPM", "ICO", "JPEG2000", "DDS"])
def test_pictures_that_are_not_read_are_pictures_all_the_same(form):
    kind = kind_of(saved(form))
    assert kind.family == "picture"
    assert kind.way_out


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "empty"),
        (bytes(500), "zeros"),
        (b"<!DOCTYPE html><html><body>404", "HTML"),
        (b"\n <HTML>", "HTML"),
        (b"<?xml version='1.0'?><svg xmlns='x'>", "SVG"),
        (b"<?xml version='1.0'?><plist>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "LFS"),
        (b'{"a": 1}', "JSON"),
        (b"BMW and other cars\n", "text"),
        (b"P1\n# by hand\n2 2\n", "PNM"),
        (b"P1 is the first of all\n", "text"),
        (b"GIFts for all\n", "text"),
        (b"MZ\n", "text"),
        ("Grüße aus Köln ".encode() * 100, "text"),
        ("ü".encode() * 2000, "text"),
        ("text".encode("utf-16"), "text"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04\x14\0", "ZIP"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\xff\x0a\xfa", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\x1a\x45\xdf\xa3\x01", "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        (brands(b"qt  "), "video"),
        (brands(b"isom", b"iso2", b"mp41"), "video"),
        (brands(b"M4A ", b"isom"), "sound"),
        (bytes(257) + b"ustar\0", "tar"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(head, name):
    assert name in kind_of(head[:HEAD]).name


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (brands(b"heic", b"mif1"), kinds.HEIC),
        (brands(b"mif1", b"heic"), kinds.HEIC),
        (brands(b"mif1"), kinds.HEIC),
        (brands(b"mif1", b"avif", b"miaf"), kinds.AVIF),
        (brands(b"avis", b"avif"), kinds.AVIF),
        (brands(b"crx ", b"isom"), kinds.RAW),
        (b"FUJIFILMCCD-RAW 0201FF\0\0", kinds.RAW),
        (b"II\x2a\0\x10\0\0\0CR\x02\0", kinds.RAW),
    ],
)
def test_phones_and_cameras_files_are_told_apart_by_their_brands(head, kind):
    assert kind_of(head) is kind


def test_a_raw_file_that_begins_like_a_tiff_is_known_by_its_name():
    head = saved("TIFF")
    assert kind_of(head, ".NEF") is kinds.RAW
    assert kind_of(head, ".tif") is kinds.TIFF
    assert kind_of(saved("JPEG"), ".nef") is kinds.JPEG


@pytest.mark.parametrize("head", [b"x\x01\x02\x03", b"\xff\xfe\0\0", b"BM"[:1] + b"\x80\x81\x82\x83\x84"])
def test_what_nobody_knows_has_no_kind(head):
    assert kind_of(head) is None


def test_any_bytes_have_an_answer():
    for seed in range(500):
        head = bytes((seed * 31 + index * 17) % 256 for index in range(seed % 40))
        kind = kind_of(head)
        assert kind is None or kind.name
    for begin, _ in kinds._SIGNATURES:
        assert kind_of(begin + b"\x80\x90" * 20) is not None


def test_of_a_file_no_more_than_the_head_is_read_and_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "photo.nef"
    path.write_bytes(saved("TIFF") + bytes(100))
    assert kind_of_file(path) is kinds.RAW
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="regular"):
        kind_of_file(tmp_path / "pipe")
