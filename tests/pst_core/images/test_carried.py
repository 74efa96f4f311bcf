"""What goes along with a restyled copy, read back by other readers than this program's own."""

import struct
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from photographs import EXTENSIONS, RECIPE, camera_exif, exif_with, floats, saved, smooth
from PIL import Image, IptcImagePlugin, PngImagePlugin

from pst_core.images.carried import MAX_JPEG_XMP, NOTHING, carry
from pst_core.images.embedding import read_recipe
from pst_core.images.formats import output_format
from pst_core.images.iptc import MAX_IPTC_BYTES, as_resource
from pst_core.images.reading import read_photograph
from pst_core.images.writing import write_image
from pst_core.images.xmp import MAX_XMP_BYTES

NAMES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}
ATTRIBUTES = {
    "xmp:Rating": "5", "tiff:Orientation": "6", "photoshop:Credit": "A & <B>", "photoshop:City": "Munich",
    "photoshop:State": "Bavaria", "photoshop:Country": "Germany", "Iptc4xmpCore:Location": "Isar bank",
    "Iptc4xmpCore:CountryCode": "DE", "exif:GPSLatitude": "48,8.1N", "exif:GPSAltitude": "500/1",
    "exif:PixelXDimension": "4000", "drone-dji:AbsoluteAltitude": "+511", "xmpMM:InstanceID": "uuid:old",
}  # fmt: skip
ELEMENTS = """
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Ann &amp; Bob</rdf:li></rdf:Alt></dc:rights>
<dc:description><rdf:Alt><rdf:li xml:lang="de">Fluß</rdf:li></rdf:Alt></dc:description>
<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li rdf:parseType="Resource">
<Iptc4xmpExt:City>Munich</Iptc4xmpExt:City></rdf:li></rdf:Bag></Iptc4xmpExt:LocationShown>
<Iptc4xmpCore:CreatorContactInfo rdf:parseType="Resource">
<Iptc4xmpCore:CiAdrCity>Berlin</Iptc4xmpCore:CiAdrCity></Iptc4xmpCore:CreatorContactInfo>
<xmp:Thumbnails><rdf:Alt><rdf:li>/9j/4AAQ</rdf:li></rdf:Alt></xmp:Thumbnails>"""
PLACES = ("Munich", "Bavaria", "Germany", "Isar", '"DE"', "48,8.1N", "500/1", "+511")
OF_THE_OLD_FILE = ("Orientation", "Thumbnails", "4000", "uuid:old")
KEPT = ("Fluß", "(c) Ann &amp; Bob", "A &amp; &lt;B&gt;", "Berlin")


def packet(attributes=ATTRIBUTES, elements=ELEMENTS):
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items() if prefix != "rdf")
    told = " ".join(f'{name}="{value.replace("&", "&amp;").replace("<", "&lt;")}"'
                    for name, value in attributes.items())  # fmt: skip
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{NAMES["rdf"]}"><!-- a comment -->'
        f'<rdf:Description rdf:about="" {spaces} {told}>{elements}</rdf:Description>'
        f'</rdf:RDF></x:xmpmeta>{" " * 500}<?xpacket end="w"?>'
    ).encode()


def dataset(number, text, record=2):
    value = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


IPTC = (
    dataset(90, b"\x1b%G", record=1) + dataset(0, b"\0\4") + dataset(5, "Der Fluß") + dataset(25, "river")
    + dataset(25, "dusk") + dataset(80, "Ann") + dataset(90, "Munich") + dataset(92, "Isar bank")
    + dataset(95, "Bavaria") + dataset(100, "DEU") + dataset(101, "Germany") + dataset(26, "DE-BY")
    + dataset(116, "(c) Ann") + dataset(120, "A caption") + dataset(131, "P") + dataset(202, b"\xff\xd8")
)  # fmt: skip
PLACE_NUMBERS = {26, 90, 92, 95, 100, 101}


def photographed(path, *, xmp=None, iptc=IPTC, exif=None, dpi=(300, 240)):
    """A photograph that says much about itself, in every way that its format has."""
    xmp, exif = packet() if xmp is None else xmp, camera_exif() if exif is None else exif
    image = Image.fromarray(smooth())
    if path.suffix == ".jpg":
        body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 1005, 0, 1) + b"x\0" + as_resource(iptc)
        segment = b"\xff\xed" + struct.pack(">H", len(body) + 2) + body if iptc else b""
        image.save(path, exif=exif, xmp=xmp, extra=segment, dpi=dpi)
    elif path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        texts.add_text("Author", "Ann Ünal", zip=True)
        texts.add_text("Copyright", "another")
        image.save(path, exif=exif, pnginfo=texts, dpi=dpi)
    elif path.suffix == ".webp":
        image.save(path, exif=exif, xmp=xmp, lossless=True)
    else:
        tags = Image.Exif()
        tags.load(exif)
        tags[700], tags[33723] = xmp, iptc
        image.save(path, exif=tags, dpi=dpi)
    return path


def copied(tmp_path, source, target, policy, **said):
    """Write a copy of a photograph that says much about itself; the copy opened by Pillow, and the notes."""
    photo = read_photograph(photographed(tmp_path / f"in{source}", **said))
    place = tmp_path / f"out{target}"
    carried, notes = carry(photo.stored, policy, output_format(place))
    write_image(place, photo.pixels, carried=carried, recipe=RECIPE, overwrite=True)
    image = Image.open(place)
    image.load()
    assert read_recipe(place) is not None
    return image, notes


def xmp_of(image):
    found = image.tag_v2.get(700, b"") if image.format == "TIFF" else image.info.get("xmp", b"")
    if found:
        ElementTree.fromstring(found)  # another reader takes it for XML
    return found.decode()


@pytest.mark.parametrize("policy", ["all", "without-place"])
@pytest.mark.parametrize("source", EXTENSIONS)
@pytest.mark.parametrize("target", EXTENSIONS)
def test_what_describes_the_photograph_goes_along_in_every_format(tmp_path, source, target, policy):
    image, notes = copied(tmp_path, source, target, policy)
    assert notes == ()
    text = xmp_of(image)
    assert all(each in text for each in KEPT) and "a comment" not in text
    assert not any(each in text for each in OF_THE_OLD_FILE)
    assert all((each in text) == (policy == "all") for each in PLACES)
    rating = ElementTree.fromstring(text).find(f".//*[@{{{NAMES['xmp']}}}Rating]")
    assert rating.get(f"{{{NAMES['xmp']}}}Rating") == "5"
    exif = image.getexif()
    assert (exif[271], exif[315]) == ("Maker", "Ann & Bob") and exif.get_ifd(34665)[34855] == 200
    assert (34853 in exif) == (policy == "all") and exif.get(274, 1) == 1
    if source != ".webp":
        assert image.info.get("dpi", (exif.get(282), exif.get(283))) == pytest.approx((300, 240), abs=0.02)
    image.close()


@pytest.mark.parametrize("target", EXTENSIONS)
@pytest.mark.parametrize("source", [".jpg", ".tif"])
def test_iptc_goes_along_as_itself_or_in_xmps_words(tmp_path, source, target):
    for policy in ("all", "without-place"):
        image, _ = copied(tmp_path, source, target, policy, xmp=packet({"xmp:Rating": "5"}, ""))
        with_place, text = policy == "all", xmp_of(image)
        if target in (".jpg", ".tif"):
            found = IptcImagePlugin.getiptcinfo(image)
            assert found[2, 116] == b"(c) Ann" and found[2, 25] == [b"river", b"dusk"]
            assert {number for record, number in found if record == 2} & PLACE_NUMBERS == (
                PLACE_NUMBERS if with_place else set()
            )
            assert not {(2, 131), (2, 202)} & set(found)
            assert "Ann" not in text
        else:
            assert all(
                each in text for each in ("Der Fluß", "river", "dusk", "(c) Ann", "A caption", 'Rating="5"')
            )
            assert all(
                (each in text) == with_place for each in ("Munich", "Isar bank", "Bavaria", "DEU", "Germany")
            )
        image.close()


def test_what_xmp_says_goes_before_what_iptc_and_a_pngs_texts_say(tmp_path):
    text = xmp_of(copied(tmp_path, ".jpg", ".png", "all")[0])
    assert "(c) Ann &amp; Bob" in text and text.count("<dc:rights") == 1 and "Der Fluß" in text
    text = xmp_of(copied(tmp_path, ".png", ".png", "all")[0])
    assert "Ann Ünal" in text and "another" not in text


@pytest.mark.parametrize("target", EXTENSIONS)
@pytest.mark.parametrize("source", EXTENSIONS)
def test_none_is_none(tmp_path, source, target):
    image, notes = copied(tmp_path, source, target, "none")
    assert notes == () and not any(each in xmp_of(image) for each in (*KEPT, *PLACES, "Rating"))
    assert 271 not in image.getexif() and not IptcImagePlugin.getiptcinfo(image)
    assert image.info.get("dpi", (1, 1)) in ((1, 1), (1.0, 1.0))
    image.close()


def test_the_makers_notes_can_name_the_place(tmp_path):
    exif = exif_with(t271="Maker")
    exif.get_ifd(34665)[37500] = b"Panasonic\0 City: Munich"
    for policy, kept in (("all", True), ("without-place", False)):
        image, _ = copied(tmp_path, ".jpg", ".jpg", policy, exif=exif, xmp=b"", iptc=b"")
        assert (37500 in image.getexif().get_ifd(34665)) == kept
        image.close()


@pytest.mark.parametrize(("broken", "told"), [
    (b"<x:xmpmeta><unclosed>", "XMP left out: it is broken"),
    (b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'">]><a>&b;</a>', "XMP left out: it is broken"),
    ("".join(packet().decode()).encode("utf-16-be"), "XMP left out: it is broken"),
    (b"<a xmlns='b'/>", "XMP left out: it is broken"),
    (b"<a>" * 5000 + b"</a>" * 5000, "XMP left out: it is broken"),
    (packet() + b" " * MAX_XMP_BYTES, f"more than {MAX_XMP_BYTES} bytes"),
])  # fmt: skip
def test_xmp_that_cannot_be_read_is_left_out_and_said_to_be(tmp_path, broken, told):
    photo = read_photograph(saved(tmp_path / "x.webp", smooth(), xmp=broken, exif=camera_exif()))
    for policy in ("all", "without-place"):
        carried, notes = carry(photo.stored, policy)
        assert (
            not carried.xmp and carried.exif and told in notes[0] and notes[0].startswith("The content's XMP")
        )
    assert carry(photo.stored, "none") == (NOTHING, ())


def test_xmp_that_goes_on_elsewhere_is_said_to_end(tmp_path):
    image, notes = copied(
        tmp_path, ".jpg", ".jpg", "all", xmp=packet({"xmp:Rating": "5", "xmpNote:HasExtendedXMP": "0123"}, "")
    )
    assert "HasExtendedXMP" not in xmp_of(image) and "Rating" in xmp_of(image)
    assert "beyond its first 64 kB" in notes[0]


def test_a_jpeg_has_room_for_so_much_xmp_and_its_recipe(tmp_path):
    large = packet({"xmp:Rating": "5", "photoshop:Credit": "x" * MAX_JPEG_XMP}, "")
    for target, kept in ((".jpg", False), (".png", True), (".webp", True), (".tif", True)):
        image, notes = copied(tmp_path, ".webp", target, "all", xmp=large)
        assert ("Rating" in xmp_of(image)) == kept and bool(notes) != kept
        image.close()
    assert (
        f"of {len(large)} bytes" not in notes
        and "JPEG" in carry(read_photograph(tmp_path / "in.webp").stored, "all", "JPEG")[1][0]
    )


@pytest.mark.parametrize("block", [
    IPTC[:-1], b"\x1c\x02\x05\x80", IPTC + b"rubbish", dataset(120, b"x" * 0x7FFF)[:-5],
])  # fmt: skip
def test_broken_iptc_is_left_out_and_said_to_be(tmp_path, block):
    _, notes = copied(tmp_path, ".jpg", ".jpg", "all", iptc=block)
    assert notes == ("The content's IPTC left out: it is broken.",)


def test_iptc_too_large_is_left_out_and_said_to_be(tmp_path):
    block = IPTC + b"".join(dataset(25, "x" * 64) for _ in range(MAX_IPTC_BYTES // 64))
    image, notes = copied(tmp_path, ".tif", ".jpg", "all", iptc=block)
    assert "The content's IPTC of " in notes[0] and not IptcImagePlugin.getiptcinfo(image)


def test_broken_exif_is_told_once_and_of_the_content_alone(tmp_path):
    photo = read_photograph(saved(tmp_path / "x.png", smooth(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"))
    assert photo.notes == ()
    assert carry(photo.stored, "without-place")[1] == ("The content's EXIF left out: it is broken.",)


def test_an_earlier_result_carries_one_recipe(tmp_path):
    pixels = floats(smooth()).astype(np.float32)
    for extension in (".jpg", ".webp", ".tif"):
        write_image(tmp_path / f"first{extension}", pixels, recipe={"number": 1})
        photo = read_photograph(tmp_path / f"first{extension}")
        carried, notes = carry(photo.stored, "all", output_format(f"x{extension}"))
        write_image(tmp_path / f"second{extension}", pixels, recipe={"number": 2}, carried=carried)
        assert not notes and read_recipe(tmp_path / f"second{extension}") == {"number": 2}
        assert (tmp_path / f"second{extension}").read_bytes().count(b"number") == 1


@pytest.mark.parametrize("unit", [0, 1, 2])
def test_dots_are_by_the_inch_or_the_centimetre_or_say_nothing(tmp_path, unit):
    data = bytearray(saved(tmp_path / "x.jpg", smooth(), dpi=(118, 118)).read_bytes())
    assert data[6:11] == b"JFIF\0"
    data[13] = unit
    (tmp_path / "x.jpg").write_bytes(data)
    found = read_photograph(tmp_path / "x.jpg").stored.resolution
    assert found == {0: None, 1: (118, 118), 2: (pytest.approx(299.72), pytest.approx(299.72))}[unit]


def test_a_bigtiff_says_as_much_as_a_tiff(tmp_path):
    path = tmp_path / "big.tif"
    caption = b"\x1c\x02\x78\0\x05Dusk."
    tags = [(33432, 2, 4, "Ada", True), (33723, 7, len(caption), caption, True)]
    tifffile.imwrite(
        path, smooth(40, 40), bigtiff=True, byteorder="<", photometric="rgb", metadata=None,
        resolution=(300, 300), resolutionunit=2, extratags=tags,
    )  # fmt: skip
    assert path.read_bytes()[2:4] == b"\x2b\0"
    carried, notes = carry(read_photograph(path).stored, "without-place", "TIFF")
    assert notes == ()
    assert b"Ada" in carried.exif
    assert b"Dusk." in carried.iptc
    assert carried.resolution == (300, 300)


def test_the_place_in_a_bigtiff_is_left_out_as_well(tmp_path):
    path = tmp_path / "big.tif"
    exif = Image.Exif()
    exif[34853] = {1: "N", 2: (48.0, 8.0, 0.5)}
    Image.fromarray(smooth(40, 40)).save(path, big_tiff=True, exif=exif.tobytes())
    assert path.read_bytes()[2:4] == b"\x2b\0"
    stored = read_photograph(path).stored
    (kept, _), (left_out, _) = carry(stored, "all"), carry(stored, "without-place")
    assert gps_of(kept.exif) == {1: "N", 2: (48.0, 8.0, 0.5)}
    assert gps_of(left_out.exif) == {}


def gps_of(block):
    exif = Image.Exif()
    exif.load(block)
    return exif.get_ifd(34853)


def test_a_pngs_texts_are_measured(tmp_path):
    bomb = b"Copyright\0\0" + zlib.compress(bytes(2**24))
    plain = saved(tmp_path / "x.png", smooth()).read_bytes()
    chunk = struct.pack(">I4s", len(bomb), b"zTXt") + bomb
    place = plain.index(b"IDAT") - 4
    (tmp_path / "x.png").write_bytes(
        plain[:place] + chunk + struct.pack(">I", zlib.crc32(chunk[4:])) + plain[place:]
    )
    assert read_photograph(tmp_path / "x.png").stored.texts == ()
