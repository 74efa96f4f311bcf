"""Pictures of every format, changed at random and read: a part of it in the tests, for long in the trials."""

from collections import Counter

import numpy as np
import pillow_heif
import tifffile
from photographs import (
    EXTENSIONS,
    RECIPE,
    RGB_PROFILES,
    camera_exif,
    dng,
    floats,
    mutated,
    noise,
    saved,
    smooth,
    table_profile,
)
from PIL import Image, PngImagePlugin

from pst_core.errors import ImageError
from pst_core.images import png
from pst_core.images.carried import Carried
from pst_core.images.embedding import read_recipe
from pst_core.images.limits import ImageLimits
from pst_core.images.reading import read_map, read_photograph
from pst_core.images.writing import write_image

LIMITS = ImageLimits(max_pixels=300_000)


def specimens(folder):
    """One file of every kind, with all the metadata it can carry."""
    pixels = floats(smooth()).astype(np.float32)
    alpha = pixels[0]
    for extension in EXTENSIONS:
        write_image(
            folder / f"full{extension}", pixels, alpha=alpha, carried=Carried(camera_exif()), recipe=RECIPE
        )
    for extension in (".png", ".tif"):
        write_image(folder / f"deep{extension}", pixels, bit_depth=16, alpha=alpha)
    saved(folder / "x.bmp", smooth())
    saved(folder / "p.png", smooth(), "P", transparency=3, icc_profile=RGB_PROFILES["p3"])
    saved(folder / "cmyk.jpg", smooth(), "CMYK", icc_profile=table_profile(b"CMYK", 4, b"prtr"))
    saved(folder / "progressive.jpg", smooth(), progressive=True, exif=camera_exif())
    saved(folder / "x.avif", smooth(), exif=camera_exif(), icc_profile=RGB_PROFILES["p3"])
    _pngs(folder)
    _tiffs(folder)
    pillow_heif.from_pillow(Image.fromarray(smooth())).save(folder / "x.heic", exif=camera_exif())
    (folder / "x.dng").write_bytes(dng(64, 80, orientation=6))
    return sorted(folder.iterdir())


def _pngs(folder):
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "<x tiff:Orientation='6'/>", zip=True)
    info.add_text("Raw profile type exif", "\nexif\n 9\n" + camera_exif().hex(), zip=True)
    saved(folder / "texts.png", smooth(), pnginfo=info)
    colors = [
        (b"cICP", bytes([12, 13, 0, 1])),
        (b"gAMA", bytes([0, 1, 0x86, 0xA0])),
        (b"cHRM", bytes(range(32))),
    ]
    (folder / "colors.png").write_bytes(png.encode(noise(37, 45, 1), colors[1:]))
    (folder / "code-points.png").write_bytes(png.encode(noise(37, 45, 2, dtype=np.uint16), colors))


def _tiffs(folder):
    deep = smooth().astype(np.uint16) * 257
    tifffile.imwrite(folder / "plain.tif", deep, photometric="rgb", iccprofile=RGB_PROFILES["p3"])
    for compression in ("lzw", "zlib", "packbits", "lzma", "zstd"):
        tifffile.imwrite(
            folder / f"{compression}.tif",
            deep,
            photometric="rgb",
            compression=compression,
            predictor=compression in ("lzw", "zlib"),
            tile=(16, 16) if compression == "zstd" else None,
            rowsperstrip=None if compression == "zstd" else 9,
        )
    tifffile.imwrite(folder / "lab.tif", deep, photometric="cielab", compression="lzw")
    tifffile.imwrite(
        folder / "inks.tif", noise(37, 45, 5), photometric="separated", extrasamples=["unassalpha"]
    )
    with tifffile.TiffWriter(folder / "pages.tif") as file:
        file.write(noise(9, 9, 3), photometric="rgb", subfiletype=1)
        file.write(deep, photometric="rgb")
        file.write(noise(37, 45), photometric="minisblack")


def mutate_and_read(path, folder, rng, rounds):
    """Change a file at random, again and again, and read it in every way; count what becomes of it.

    Raises
    ------
    AssertionError
        A refusal does not name the file, or a photograph's values are none.
    Exception
        Whatever is raised besides an `ImageError`.
    """
    data, outcomes, target = path.read_bytes(), Counter(), folder / f"bad{path.suffix}"
    for _ in range(rounds):
        target.write_bytes(mutated(data, rng))
        for read in (read_photograph, read_map, read_recipe):
            try:
                found = read(target, LIMITS)
            except ImageError as error:
                assert str(target) in str(error)
                outcomes["refused"] += 1
                continue
            outcomes["read"] += 1
            if read is read_photograph:
                assert found.pixels.min() >= 0 and found.pixels.max() <= 1
                assert found.pixels.shape[1] * found.pixels.shape[2] <= LIMITS.max_pixels
    return outcomes
