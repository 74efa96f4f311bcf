"""What a photograph says about itself, as far as it goes along with the restyled copy.

EXIF and XMP have a place in every format. IPTC has one in JPEG and TIFF; elsewhere it is said in XMP's words,
as is what a PNG says in texts of its own. Resolution in print is written as each format has it.

References
----------
Metadata Working Group: Guidelines for handling image metadata, version 2.0, 2010.
"""

from typing import NamedTuple

from pst_core.images.formats import OutputFormat
from pst_core.images.iptc import as_properties, clean_iptc
from pst_core.images.metadata import clean_exif, resolution_of
from pst_core.images.stored import Stored
from pst_core.images.xmp import clean_xmp
from pst_core.settings.config import MetadataPolicy

MAX_JPEG_XMP = 40_000  # bytes: a segment holds 64 kB, of which a recipe needs some


class Carried(NamedTuple):
    """What is written into a result besides its pixels, cleaned.

    Attributes
    ----------
    exif
        A block that begins with ``Exif``; empty for none.
    xmp
        A packet in UTF-8; empty for none.
    iptc
        IPTC-IIM's datasets; empty for none, and in formats that have no place for them.
    resolution
        Dots per inch, across and down; None where it is not known.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    resolution: tuple[float, float] | None = None


NOTHING = Carried()


def carry(
    stored: Stored, policy: MetadataPolicy, form: OutputFormat = "PNG"
) -> tuple[Carried, tuple[str, ...]]:
    """Clean what a photograph says about itself for a result of some format.

    Parameters
    ----------
    stored
        As the photograph's file has it.
    policy
        Whether all of it goes along, all but the place where it was taken, or nothing.
    form
        The result's.

    Returns
    -------
    carried : Carried
    notes : tuple of str
        What was lost against the policy, as plain sentences.
    """
    if policy == "none":
        return NOTHING, ()
    notes, with_place = list(stored.notes), policy == "all"
    # It was cleaned once, of everything but the place, so it is sound.
    exif = (clean_exif(stored.exif[6:], with_place=with_place) or b"") if stored.exif else b""
    try:
        iptc = clean_iptc(stored.iptc, with_place=with_place)
    except ValueError:
        iptc = b""
        notes.append("IPTC left out: it is broken")
    keeps_iptc = form in ("JPEG", "TIFF")
    additions = [*stored.texts, *([] if keeps_iptc else as_properties(iptc))]
    try:
        xmp = clean_xmp(stored.xmp, additions, with_place=with_place)
    except ValueError as error:
        xmp = clean_xmp(b"", additions)
        notes.append(f"XMP left out: it is broken ({error})")
    if b"HasExtendedXMP" in stored.xmp:
        notes.append("XMP beyond its first 64 kB left out: depth maps, previews and the like")
    if form == "JPEG" and len(xmp) > MAX_JPEG_XMP:
        notes.append(f"XMP of {len(xmp)} bytes left out: JPEG has no room for it, PNG, WebP and TIFF have")
        xmp = b""
    resolution = stored.resolution or resolution_of(exif)
    carried = Carried(exif, xmp, iptc if keeps_iptc else b"", resolution)
    return carried, tuple(f"The content's {note}." for note in notes)
