"""What a file is, by its first bytes: content decides, a name only helps where bytes cannot tell.

Nothing here reads a picture: a kind is what people would call the file, so that one sentence can say what it
is instead of what it is not.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pst_core.steady import open_steadily

HEAD = 1024
"""How many bytes tell a kind."""

Family = Literal["photograph", "picture", "video", "other"]

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".avif"}
)
"""What names of photographs end with that are read as they are, in lower case."""
HEIF_EXTENSIONS = frozenset({".heic", ".heif", ".hif"})
"""The same, of those that the extra ``heif`` reads."""
RAW_EXTENSIONS = frozenset({
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc",
    ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
    ".srw", ".x3f",
})  # fmt: skip
"""The same, of cameras' raw files, which the extra ``raw`` reads."""


@dataclass(frozen=True)
class Kind:
    """What a file is.

    Attributes
    ----------
    name : str
        As a sentence needs it after "is": ``a JPEG picture``, ``an HTML page``.
    family : {"photograph", "picture", "video", "other"}
        Photographs are read; pictures are what others show as one, but is not read here.
    way_out : str
        What can be done about it where a photograph was wanted, as the end of a sentence.
    extra : str, optional
        Of the package, without which photographs of this kind are not read.
    """

    name: str
    family: Family
    way_out: str = "save it as JPEG, PNG or TIFF"
    extra: str | None = None


_EXPORT, _FETCH = "export it as JPEG, PNG or TIFF", "fetch or copy the picture again"
_AWAY = "remove it, or put the photograph in its place"
_ARCHIVE, _SOUND = "unpack it and use the pictures inside", "remove it"

JPEG, PNG = Kind("a JPEG picture", "photograph"), Kind("a PNG picture", "photograph")
TIFF, WEBP = Kind("a TIFF picture", "photograph"), Kind("a WebP picture", "photograph")
BMP, AVIF = Kind("a BMP picture", "photograph"), Kind("an AVIF picture", "photograph")
HEIC = Kind("a HEIC photograph", "photograph", _EXPORT, extra="heif")
RAW = Kind("a camera's raw file", "photograph", _EXPORT, extra="raw")
EMPTY = Kind("empty", "other", _FETCH)
ZEROS = Kind("nothing but zeros, as a download or a copy leaves that never finished", "other", _FETCH)
TEXT = Kind("a text", "other", _AWAY)
_JP2, _JXL = Kind("a JPEG 2000 picture", "picture", _EXPORT), Kind("a JPEG XL picture", "picture", _EXPORT)
_SVG = Kind("an SVG drawing", "picture", _EXPORT)
_VIDEO = Kind("a video", "video", "export a frame of it as JPEG or PNG")
_HTML = Kind("an HTML page, as a server sends in place of a picture it lacks", "other", _FETCH)
_LFS = Kind("a Git LFS pointer, the place of a file that was not fetched", "other", "run git lfs pull")
_PDF, _POSTSCRIPT = Kind("a PDF document", "other", _EXPORT), Kind("a PostScript document", "other", _EXPORT)
_XML, _JSON = Kind("an XML text", "other", _AWAY), Kind("a JSON text", "other", _AWAY)
_PNM = Kind("a PNM picture", "picture", _EXPORT)
_HDR = Kind("a Radiance HDR picture", "picture", _EXPORT)
_OLE = Kind("an office document", "other", "export the picture in it")
_GIF = Kind("a GIF picture", "picture", _EXPORT)
_AUDIO, _PROGRAM = Kind("a sound", "other", _SOUND), Kind("a program", "other", _AWAY)

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"BM", BMP),
    (b"FUJIFILMCCD-RAW", RAW), (b"IIRO", RAW), (b"IIRS", RAW), (b"MMOR", RAW), (b"IIU\0", RAW),
    (b"FOVb", RAW), (b"\0MRM", RAW), (b"II\x1a\0\0\0HEAPCCDR", RAW),
    (b"II\x2a\0", TIFF), (b"MM\0\x2a", TIFF), (b"II\x2b\0", TIFF), (b"MM\0\x2b", TIFF),
    (b"GIF87a", _GIF),
    (b"GIF89a", _GIF),
    (b"8BPS", Kind("a Photoshop document", "picture", _EXPORT)),
    (b"gimp xcf", Kind("a GIMP document", "picture", _EXPORT)),
    (b"\xff\x0a", _JXL), (b"\0\0\0\x0cJXL \r\n\x87\n", _JXL),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _JP2), (b"\xff\x4f\xff\x51", _JP2),
    (b"v/1\x01", Kind("an OpenEXR picture", "picture", _EXPORT)),
    (b"#?RADIANCE", _HDR), (b"#?RGBE", _HDR),
    (b"\0\0\x01\0", Kind("an icon", "picture", _EXPORT)),
    (b"DDS ", Kind("a DDS texture", "picture", _EXPORT)),
    (b"qoif", Kind("a QOI picture", "picture", _EXPORT)),
    (b"%PDF", _PDF),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"\x1a\x45\xdf\xa3", _VIDEO), (b"\0\0\x01\xba", _VIDEO), (b"\0\0\x01\xb3", _VIDEO), (b"FLV\x01", _VIDEO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _VIDEO),
    (b"ID3", _AUDIO), (b"OggS", _AUDIO),
    (b"fLaC", _AUDIO),
    (b"PK\x03\x04", Kind("a ZIP archive or an office document", "other", _ARCHIVE)),
    (b"Rar!", Kind("a RAR archive", "other", _ARCHIVE)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", "other", _ARCHIVE)),
    (b"\x1f\x8b", Kind("a gzip archive", "other", _ARCHIVE)),
    (b"BZh", Kind("a bzip2 archive", "other", _ARCHIVE)),
    (b"\xfd7zXZ\0", Kind("an xz archive", "other", _ARCHIVE)),
    (b"\x28\xb5\x2f\xfd", Kind("a zstd archive", "other", _ARCHIVE)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
    (b"SQLite format 3\0", Kind("a database", "other", _AWAY)),
    (b"bplist00", Kind("a property list, as a cloud leaves for a file it has not fetched", "other", _FETCH)),
    (b"PAR1", Kind("a Parquet table", "other", _AWAY)),
    (b"\x93NUMPY", Kind("a NumPy array", "other", _EXPORT)),
    (b"\x7fELF", _PROGRAM), (b"MZ", _PROGRAM),
    (b"P4", _PNM), (b"P5", _PNM), (b"P6", _PNM), (b"P7", _PNM),
)  # fmt: skip
"""By how a file begins that is no text; the first that fits."""
_TEXTS: tuple[tuple[str, Kind], ...] = (
    (r"<!doctype html|<html|<head|<body|<\?xml.*<html", _HTML),
    (r"<svg|(<\?xml|<!doctype svg).*<svg", _SVG),
    (r"<\?xml|<x:xmpmeta|<\?xpacket", _XML),
    (r"version https://git-lfs", _LFS),
    (r"%pdf", _PDF), (r"%!ps", _POSTSCRIPT), (r"#\?(radiance|rgbe)", _HDR),
    (r"p[1-6]\s+[#0-9]|p7\s+(#|width)", _PNM),
    (r"[{[]", _JSON),
    (r"", TEXT),
)  # fmt: skip
"""By how a text begins, in lower case; the first that fits."""
_BRANDS: dict[bytes, Kind] = {
    b"crx ": RAW, b"jp2 ": _JP2, b"jpx ": _JP2, b"jxl ": _JXL, b"M4A ": _AUDIO, b"M4B ": _AUDIO,
    b"avif": AVIF, b"avis": AVIF,
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC),
}  # fmt: skip
TEXTS = (TEXT, _XML, _JSON)
"""Kinds that a program may read as text."""
_ANY_STILL = (b"mif1", b"msf1")  # pictures in whichever coding, which another brand may name


def kind_of(head: bytes, extension: str = "") -> Kind | None:
    """Tell what a file is by its first bytes.

    Parameters
    ----------
    head
        The first `HEAD` bytes; fewer of a file that has fewer.
    extension
        Of its name: most raw files begin as TIFFs do, and only their name tells them apart.

    Returns
    -------
    Kind or None
        None for what nobody knows.
    """
    if not head.strip(b"\0"):
        return ZEROS if head else EMPTY
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    text = _text_of(head)
    if text is not None:
        begin = text.lstrip("\ufeff \t\r\n").lower()
        return next(kind for pattern, kind in _TEXTS if re.match(pattern, begin, re.DOTALL))
    found = next((kind for begin, kind in _SIGNATURES if head.startswith(begin)), None)
    is_raw = found is TIFF and (extension.lower() in RAW_EXTENSIONS or head[8:10] == b"CR")
    return RAW if is_raw else found or _of_inner_signature(head)


def kind_of_file(path: Path) -> Kind | None:
    """Tell what a file is by its first bytes and its name; None for what nobody knows.

    Raises
    ------
    OSError
        It cannot be read, or is no regular file.
    """
    # Without O_NONBLOCK opening a named pipe would wait for somebody to write into it.
    with open_steadily(path, os.O_NONBLOCK) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no regular file")
        head = file.read(HEAD)
    return kind_of(head, path.suffix)


def _of_inner_signature(head: bytes) -> Kind | None:
    """Tell what does not say it at its very beginning."""
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"AVI ": _VIDEO}.get(head[8:12], _AUDIO)
    return Kind("a tar archive", "other", _ARCHIVE) if head[257:262] == b"ustar" else None


def _of_brands(head: bytes) -> Kind:
    """Tell kinds of ISO's container by the brands that it names: pictures, raw files, videos, sounds."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, end - 3, 4))]
    if brands[0] in _ANY_STILL:
        return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), HEIC)
    return _BRANDS.get(brands[0], _VIDEO)


def _text_of(head: bytes) -> str | None:
    """Decode a text; None for what is none."""
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if (
            not error.start or "end of data" not in error.reason
        ):  # a character that the head's end cuts in two
            return None
        text = head[: error.start].decode(encoding)
    return None if re.search("[\0-\x08\x0e-\x1f]", text) else text
