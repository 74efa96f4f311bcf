"""Semantic maps painted from labels, in whatever codes; several test modules share them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pst_core.images.reading import SemanticMap

HEIGHT, WIDTH = 90, 120


def scene(shift=0, height=HEIGHT, width=WIDTH):
    """Labels 0 to 4 (sky, ground, house, sun, pond), the largest first, with slanted borders."""
    image = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(image)
    for label, polygon in enumerate([
        [(0, 55 + shift), (WIDTH, 45), (WIDTH, HEIGHT), (0, HEIGHT)],
        [(30, 30), (60 + shift, 25), (62, 65), (28, 70)],
        [(85, 8), (105, 5 + shift), (110, 20), (90, 25)],
        [(80, 70), (95, 70 + shift), (95, 80), (80, 80)],
    ], start=1):  # fmt: skip
        pen.polygon([(x * width / WIDTH, y * height / HEIGHT) for x, y in polygon], fill=label)
    return np.array(image)


def as_map(colors, name="map.png", **said):
    return SemanticMap(np.ascontiguousarray(colors), "0" * 64, Path(name), **said)


def painted(labels, codes, name="map.png", dtype=np.uint8, **said):
    """Labels in codes: a number each, or a colour."""
    codes = np.array(codes, dtype)
    codes = codes[:, None].repeat(3, axis=1) if codes.ndim == 1 else codes
    return as_map(codes[labels], name, **said)


def with_palette(labels, numbers, palette, name="map.png"):
    """Labels as a picture with a palette has them: numbers, and the colours that it gives to them."""
    numbers, palette = np.array(numbers, np.uint8), np.array(palette, np.uint8)
    return as_map(palette[labels], name, numbers=numbers[labels])
