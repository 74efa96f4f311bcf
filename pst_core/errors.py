"""What can go wrong in a way its user can mend: one sentence that names the thing and the way out."""


class PstError(Exception):
    """Base of every error that is shown to a person as one sentence, without a traceback."""


class ConfigError(PstError):
    """A setting has a value that cannot be used."""


class ImageError(PstError):
    """A photograph cannot be read, or is not one that can be restyled."""


class MapError(PstError):
    """A semantic map does not fit its photograph or the regions asked for."""


class LookError(PstError):
    """A look cannot be read, or is not one that can be applied."""


class SequenceError(PstError):
    """Frames or a video are not a sequence that can be restyled."""


class WeightsError(PstError):
    """The encoder's weights cannot be had, or are not what they should be."""


class DivergenceError(PstError):
    """An optimisation kept producing values that are not numbers, or kept growing."""


class OutputError(PstError):
    """A result cannot be written where it was asked for."""


class StoreError(PstError):
    """The store of intermediate results cannot be used as it is."""
