"""XMP: what a photograph says about itself in XML, read with care and cleaned for a restyled copy.

Foreign XML is measured before it is parsed, and what declares a document type is refused, which is how a
small document unfolds into a large one. Names keep the prefixes they were written with: some readers know
no others.

References
----------
XMP specification, part 1 (ISO 16684-1:2019), and parts 2 and 3 (properties; embedding in files), Adobe.
IPTC Photo Metadata Standard 2023.1.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement
from xml.parsers import expat

MAX_XMP_BYTES = 2 * 2**20
"""An XMP packet beyond this is not looked at."""
RECIPE_NAMESPACE = "https://photoreal-style.invalid/ns/1.0/"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_META = "adobe:ns:meta/"
_MAX_DEPTH = 100
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="r"?>'

# What says where a photograph was taken, by any program's name for it: `exif:GPSLatitude`, `photoshop:City`,
# `Iptc4xmpExt:LocationShown`, `xmpDM:shotLocation`, `drone-dji:AbsoluteAltitude`, `dc:coverage`. An address
# of the author (`CiAdrCity`) is none of them.
_PLACE = re.compile(
    r"gps|latitude|longitude|altitude|location|^(lat|long|city|state|coverage|worldregion)$|^country|^province",
    re.IGNORECASE,
)
# What describes the old file and not the photograph, by namespace: its samples, previews, history, profile,
# what it had in other parts of the file, and how it was developed. An empty set stands for all there is.
_OF_THE_FILE: dict[str, frozenset[str]] = {
    "http://ns.adobe.com/tiff/1.0/": frozenset({
        "Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "SamplesPerPixel",
        "PhotometricInterpretation", "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning",
        "NativeDigest",
    }),
    "http://ns.adobe.com/exif/1.0/": frozenset({
        "PixelXDimension", "PixelYDimension", "ColorSpace", "ComponentsConfiguration",
        "CompressedBitsPerPixel", "NativeDigest", "MakerNote",
    }),
    "http://ns.adobe.com/xap/1.0/": frozenset({"Thumbnails"}),
    "http://ns.adobe.com/photoshop/1.0/": frozenset({
        "ColorMode", "ICCProfile", "LegacyIPTCDigest", "DocumentAncestors", "TextLayers", "History",
    }),
    "http://purl.org/dc/terms/": frozenset({"provenance"}),
    "http://purl.org/dc/elements/1.1/": frozenset({"format"}),
    "http://ns.adobe.com/xap/1.0/mm/": frozenset(),
    "http://ns.adobe.com/xmp/note/": frozenset(),
    "http://ns.adobe.com/camera-raw-settings/1.0/": frozenset(),
    "http://ns.adobe.com/hdr-gain-map/1.0/": frozenset(),
    "http://ns.google.com/photos/1.0/container/": frozenset(),
    "http://ns.google.com/photos/1.0/camera/": frozenset(),
    "http://ns.google.com/photos/1.0/depthmap/": frozenset(),
    "http://ns.google.com/photos/1.0/image/": frozenset(),
    "http://ns.google.com/photos/1.0/audio/": frozenset(),
    RECIPE_NAMESPACE: frozenset(),
}  # fmt: skip


class Property(NamedTuple):
    """A property to be added where a packet lacks it.

    Attributes
    ----------
    prefix, namespace, name
        Of the property.
    values
        At least one.
    container
        ``Alt`` (one text, in the default language), ``Seq``, ``Bag``, or empty for plain text.
    """

    prefix: str
    namespace: str
    name: str
    values: tuple[str, ...]
    container: str = ""


def clean_xmp(packet: bytes, additions: Sequence[Property] = (), *, with_place: bool = True) -> bytes:
    """Copy what describes the photograph, and leave what describes the old file.

    Parameters
    ----------
    packet
        As it was stored; empty for none.
    additions
        Properties that it gets unless it has them.
    with_place
        Whether to copy what says where the photograph was taken; of `additions` none may say it otherwise.

    Returns
    -------
    bytes
        A packet in UTF-8; empty if nothing is left.

    Raises
    ------
    ValueError
        It is larger than `MAX_XMP_BYTES`, broken, or declares a document type.
    """
    root, rdf = _parsed(packet) if packet else _empty()
    namespaces = _namespaces(root)
    _prune(root, lambda name: _is_of_the_file(name, namespaces))
    if not with_place:
        _prune(root, lambda name: _PLACE.search(name.rpartition(":")[2]) is not None)
    present = {name for description in rdf for name in _names(description, namespaces)}
    for each in additions:
        if (each.namespace, each.name) not in present:
            rdf.append(_description(each))
    for description in list(rdf):
        if not len(description) and not _names(description, namespaces):
            rdf.remove(description)
    return _written(root) if len(rdf) else b""


def with_recipe(packet: bytes, text: str) -> bytes:
    """Put a recipe's JSON beside what a cleaned packet says; empty for none."""
    root, rdf = _parsed(packet) if packet else _empty()
    rdf.append(_description(Property("pst", RECIPE_NAMESPACE, "recipe", (text,))))
    return _written(root)


def recipe_in(packet: bytes) -> str | None:
    """Return the text of the recipe in a packet; None if it has none.

    Raises
    ------
    ValueError
        It names our namespace, and cannot be read.
    """
    if RECIPE_NAMESPACE.encode() not in packet:
        return None
    root, rdf = _parsed(packet, most=4 * MAX_XMP_BYTES)
    wanted, namespaces = (RECIPE_NAMESPACE, "recipe"), _namespaces(root)
    for element in rdf.iter():
        if _resolved(element.tag, namespaces) == wanted:
            return element.text or ""
        for name, value in element.attrib.items():  # as other programs may rewrite a simple property
            if _resolved(name, namespaces) == wanted:
                return value
    return None


def _empty() -> tuple[Element, Element]:
    root = Element("x:xmpmeta", {"xmlns:x": _META})
    return root, SubElement(root, "rdf:RDF", {"xmlns:rdf": _RDF})


def _parsed(packet: bytes, most: int = MAX_XMP_BYTES) -> tuple[Element, Element]:
    """Parse a packet: its outermost element, and the one that holds its descriptions."""
    if len(packet) > most:
        raise ValueError("too large")
    root = _tree(packet)
    namespaces = _namespaces(root)
    for element in root.iter():
        if _resolved(element.tag, namespaces) == (_RDF, "RDF"):
            return root, element
    raise ValueError("no RDF in it")


def _tree(packet: bytes) -> Element:
    """Parse XML without entities of its own, comments or instructions; names stay as they are written."""
    builder, depth = ElementTree.TreeBuilder(), 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError("too deep")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(packet.strip(b"\0 \t\r\n"), True)
    except expat.ExpatError as error:
        raise ValueError("no XML") from error
    return builder.close()


def _namespaces(root: Element) -> dict[str, str]:
    """Prefix -> namespace; a prefix that stands for several stands for the first."""
    found: dict[str, str] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                found.setdefault(name.partition(":")[2], value)
    return found


def _resolved(name: str, namespaces: dict[str, str]) -> tuple[str, str]:
    prefix, _, local = name.rpartition(":")
    return namespaces.get(prefix, ""), local


def _names(description: Element, namespaces: dict[str, str]) -> set[tuple[str, str]]:
    """Properties of a description: elements in it, and attributes but for those of RDF and XML themselves."""
    names = [child.tag for child in description] + [
        name for name in description.attrib if not name.startswith("xml")
    ]
    return {found for name in names if (found := _resolved(name, namespaces))[0] != _RDF}


def _is_of_the_file(name: str, namespaces: dict[str, str]) -> bool:
    namespace, local = _resolved(name, namespaces)
    names = _OF_THE_FILE.get(namespace)
    return names is not None and (not names or local in names)


def _prune(element: Element, unwanted: Callable[[str], bool]) -> None:
    """Take out elements and attributes by their names, however deep they are."""
    for name in [name for name in element.attrib if not name.startswith("xmlns") and unwanted(name)]:
        del element.attrib[name]
    for child in list(element):
        if unwanted(child.tag):
            element.remove(child)
        else:
            _prune(child, unwanted)


def _description(added: Property) -> Element:
    name = f"{added.prefix}:{added.name}"
    holder = Element(
        "rdf:Description",
        {"xmlns:rdf": _RDF, f"xmlns:{added.prefix}": added.namespace, "rdf:about": ""},
    )
    element = SubElement(holder, name)
    if not added.container:
        element.text = added.values[0]
        return holder
    container = SubElement(element, f"rdf:{added.container}")
    for value in added.values:
        attributes = {"xml:lang": "x-default"} if added.container == "Alt" else {}
        SubElement(container, "rdf:li", attributes).text = value
    return holder


def _written(root: Element) -> bytes:
    text = ElementTree.tostring(root, encoding="unicode")
    if root.tag.rpartition(":")[2] == "RDF":
        text = f'<x:xmpmeta xmlns:x="{_META}">{text}</x:xmpmeta>'
    return f"{_BEGIN}{text}{_END}".encode()
