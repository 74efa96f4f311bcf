"""Scenes that move by what is known: crops of one drawn picture."""

import cv2
import numpy as np


def drawn(height=200, width=320, seed=0):
    """A picture of soft structure at several sizes, shape (3, H, W), on [0, 1]."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for size in (4, 9, 20, 50):
        coarse = rng.random((height // size + 2, width // size + 2, 3), np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.moveaxis(image / 4, -1, 0).clip(0, 1))


def crop(image, left, top, height=120, width=200):
    """What a frame shows that lies there, between pixels as well."""
    move = np.array([[1, 0, left], [0, 1, top]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack([cv2.warpAffine(plane, move, (width, height), flags=flags) for plane in image])
