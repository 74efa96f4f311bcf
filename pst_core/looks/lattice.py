"""A change of colours as a grid of them, interpolated in between: what other programs call a 3D LUT."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pst_core.shapes import expect_shapes

if TYPE_CHECKING:
    import PyOpenColorIO

Floats = NDArray[np.float32]

SIZE = 33
"""Grid points along each axis: what programs for pictures expect."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Colours at the points of a grid over all colours, in the picture's own encoding.

    Attributes
    ----------
    values : ndarray of float32, shape (N, N, N, 3)
        By red, green and blue of the input: red, green and blue of the output.
    """

    values: Floats

    def __post_init__(self) -> None:
        expect_shapes("values: N N N 3", self.values)

    @classmethod
    def identity(cls, size: int = SIZE) -> Self:
        """The lattice that changes nothing.

        Examples
        --------
        >>> Lattice.identity(2).values[1, 0, 1].tolist()
        [1.0, 0.0, 1.0]
        """
        levels = np.linspace(0, 1, size, dtype=np.float32)
        return cls(np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1))

    def apply(self, image: Floats) -> Floats:
        """Change a picture's colours, tetrahedral between grid points.

        Parameters
        ----------
        image : ndarray of float32, shape (3, H, W)
            On [0, 1]; what lies beyond counts as its end.

        Returns
        -------
        ndarray of float32, shape (3, H, W)
        """
        expect_shapes("image: 3 H W", image)
        changed = np.array(image, np.float32, order="C")
        self.apply_in_place(changed)
        return changed

    def apply_in_place(self, image: Floats) -> None:
        """Change a picture's colours as `apply` does, and hold no other.

        Parameters
        ----------
        image : ndarray of float32, shape (3, H, W)
            Contiguous.
        """
        import PyOpenColorIO as ocio  # noqa: N813 - its own short name

        expect_shapes("image: 3 H W", image)
        red, green, blue = (plane.reshape(-1) for plane in image)
        self._processor.apply(ocio.PlanarImageDesc(red, green, blue, image.shape[2], image.shape[1]))

    def apply_packed(self, pixels: Floats) -> Floats:
        """Change colours as `apply` does, of pixels whose channels lie together: quicker where they are few.

        Parameters
        ----------
        pixels : ndarray of float32, shape (H, W, 3)

        Returns
        -------
        ndarray of float32, shape (H, W, 3)
        """
        import PyOpenColorIO as ocio  # noqa: N813

        expect_shapes("pixels: H W 3", pixels)
        changed = np.array(pixels, np.float32, order="C")
        height, width, channels = changed.shape
        self._processor.apply(ocio.PackedImageDesc(changed.reshape(-1), width, height, channels))
        return changed

    @cached_property
    def _processor(self) -> "PyOpenColorIO.CPUProcessor":
        import PyOpenColorIO as ocio  # noqa: N813

        lut: Any = ocio.Lut3DTransform(len(self.values))
        lut.setInterpolation(ocio.INTERP_TETRAHEDRAL)
        lut.setData(np.ascontiguousarray(self.values).ravel())
        return ocio.Config.CreateRaw().getProcessor(lut).getDefaultCPUProcessor()
