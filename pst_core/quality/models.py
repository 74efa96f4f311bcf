"""Models of BRISQUE and NIQE in and out: LIVE's released files, or the project's own, which ship with it."""

import contextlib
import hashlib
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pst_core.errors import PstError
from pst_core.files import COARSEST_CLOCK_NS, write_bytes_atomically
from pst_core.steady import open_steadily

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ENVIRONMENT = "PST_QUALITY_MODELS"
FEATURES = 36
FORMAT = "pst quality model 1"
MAX_BYTES = 16 * 2**20  # LIVE's largest file has a third of a mebibyte
WAY_OUT = (
    f"name a folder with LIVE's files (*allmodel* and *allrange*, or a .mat file) in {ENVIRONMENT}, "
    "or unset it for the models that come with the program"
)
_HERE = Path(__file__).resolve().parents[1]
_PLACES = (_HERE / "_models", _HERE.parent / "data" / "models")
_LIVE = {  # what the files of LIVE's releases hash to (model and range together)
    "618e4dc8a7d330ad127d493b3b450cb3f62590c8600675ba226a7adfb4372949": "LIVE release 2011",
    "fa2aa4d12dd9595c3fb6bf8b4e1a15c79d5d1469238d0901c88dead195be578d": "LIVE release 2012",
}

Kind = Literal["brisque", "niqe"]
T = TypeVar("T")

_PATTERNS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "brisque": (("brisque.json",), ("*allmodel*", "*allrange*")),
    "niqe": (("niqe.json",), ("*.mat",)),
}


class QualityModelError(PstError):
    """A quality model is missing, or its file is not what it should be."""


@dataclass(frozen=True, eq=False)
class _Model:
    """What it is called in a report, and the hash of the bytes of its files, one after another."""

    name: str
    sha256: str


@dataclass(frozen=True, eq=False)
class BrisqueModel(_Model):
    """A support vector regression with a radial basis.

    Attributes
    ----------
    name, sha256 : str
    vectors : ndarray, shape (N, 36)
        Support vectors, of scaled features.
    coefficients : ndarray, shape (N,)
    rho, gamma : float
        What is subtracted from the sum, and the basis functions' exponent.
    lower, upper : ndarray, shape (36,)
        Features between which scaled ones run from -1 to 1.
    """

    vectors: "Floats"
    coefficients: "Floats"
    rho: float
    gamma: float
    lower: "Floats"
    upper: "Floats"


@dataclass(frozen=True, eq=False)
class NiqeModel(_Model):
    """A multivariate Gaussian of the features of undistorted photographs' sharp patches.

    Attributes
    ----------
    name, sha256 : str
    mean : ndarray, shape (36,)
    covariance : ndarray, shape (36, 36)
    """

    mean: "Floats"
    covariance: "Floats"


@dataclass(frozen=True)
class QualityModels:
    """Both models of a run."""

    brisque: BrisqueModel
    niqe: NiqeModel


def load_quality_models(source: Path | None = None) -> QualityModels:
    """Load both models; while their files stay as they are, those that were loaded before.

    Parameters
    ----------
    source
        A folder with LIVE's files or the project's own; a kind it lacks is taken from the shipped models.
        Otherwise the folder that ``PST_QUALITY_MODELS`` names, else the shipped models.

    Raises
    ------
    QualityModelError
        The folder has neither kind, or a file is not what its name says.
    """
    files = _find_files(source)
    return QualityModels(_load_brisque(files["brisque"]), _load_niqe(files["niqe"]))


def models_identity(source: Path | None = None) -> str:
    """Hash of the models' files, which are not parsed: tells these models from others in a cache's key.

    Parameters
    ----------
    source
        As in `load_quality_models`.

    Raises
    ------
    QualityModelError
        The folder has neither kind, or a file cannot be read.
    """
    files = _find_files(source)
    parts = [f"{kind} {_identity_of(files[kind])}" for kind in sorted(files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def write_model(path: Path, kind: Kind, name: str, values: Mapping[str, Any]) -> None:
    """Write a model in the project's own format: JSON, with numbers as they are given.

    Parameters
    ----------
    path
        ``brisque.json`` or ``niqe.json`` in the models' folder; replaced if it is there.
    name
        What reports are to call it.
    values
        The model's arrays as lists and its numbers, and whatever else is worth keeping of its making.
    """
    text = json.dumps({"format": FORMAT, "metric": kind, "name": name, **values}, separators=(",", ":"))
    write_bytes_atomically(path, text.replace("],[", "],\n[").encode() + b"\n", overwrite=True)


def _find_files(source: Path | None) -> dict[Kind, list[Path]]:
    named = source or os.environ.get(ENVIRONMENT)
    if not named:
        return _shipped_files()
    folder = Path(named)
    try:
        found = _files_in(folder.expanduser())
    except OSError as error:
        raise QualityModelError(
            f"The models in {folder} cannot be read ({error.strerror}): {WAY_OUT}."
        ) from error
    except (ValueError, RuntimeError) as error:  # a NUL in the name, or a user whose home is not known
        raise QualityModelError(
            f"The models in {str(folder)!r} cannot be read ({error}): {WAY_OUT}."
        ) from error
    if not found:
        raise QualityModelError(f"{folder} holds no quality model: {WAY_OUT}.")
    return found if len(found) == 2 else _shipped_files() | found


@lru_cache(maxsize=1)
def _shipped_files() -> dict[Kind, list[Path]]:
    for place in _PLACES:
        if place.is_dir() and len(found := _files_in(place)) == 2:
            return found
    raise QualityModelError(
        "The quality models are missing from this installation: install the package anew."
    )


def _files_in(folder: Path) -> dict[Kind, list[Path]]:
    """Files of each kind in a folder: the project's own, else LIVE's."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found: dict[Kind, list[Path]] = {}
    for kind, choices in _PATTERNS.items():
        for patterns in choices:
            matches = {
                pattern: [name for name in names if fnmatch(name.lower(), pattern)] for pattern in patterns
            }
            if any(matches.values()):
                found[kind] = [folder / _only(each, pattern, folder) for pattern, each in matches.items()]
                break
    return found


def _only(names: Sequence[str], pattern: str, folder: Path) -> str:
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise QualityModelError(f"{folder} needs one file named {pattern}, and has {listed}: {WAY_OUT}.")
    return names[0]


def _read(path: Path) -> bytes:
    try:
        with open_steadily(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise QualityModelError(f"The model {path} cannot be read ({error.strerror}): {WAY_OUT}.") from error
    if len(data) > MAX_BYTES:
        raise _broken(path, f"more than {MAX_BYTES} bytes")
    return data


def _once_while_unchanged(read: Callable[[Sequence[Path]], T]) -> Callable[[Sequence[Path]], T]:
    """Read files once while they stay as they are: every pair of a batch asks for them."""

    @lru_cache(maxsize=8)
    def known(paths: tuple[Path, ...], stamps: tuple[tuple[int, ...], ...]) -> T:
        del stamps  # only a part of the cache's key
        return read(paths)

    def ask(paths: Sequence[Path]) -> T:
        try:
            found = [path.stat() for path in paths]
        except OSError:
            return read(paths)  # which tells what is wrong
        if time.time_ns() - max(each.st_mtime_ns for each in found) < COARSEST_CLOCK_NS:
            return read(paths)
        stamps = ((each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)
        return known(tuple(paths), tuple(stamps))

    return ask


@_once_while_unchanged
def _identity_of(paths: Sequence[Path]) -> str:
    return _sha256([_read(path) for path in paths])


def _sha256(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _broken(path: Path, reason: object) -> QualityModelError:
    return QualityModelError(f"{path} is no quality model of the kind its name says ({reason}): {WAY_OUT}.")


@_once_while_unchanged
def _load_brisque(paths: Sequence[Path]) -> BrisqueModel:
    data = [_read(path) for path in paths]
    sha256 = _sha256(data)
    if len(paths) == 1:
        values = _own_values(paths[0], data[0], "brisque")
        name = str(values["name"])
    else:
        values = _libsvm(paths[0], data[0]) | _ranges(paths[1], data[1])
        name = _LIVE.get(sha256, paths[0].name)
    with _checking(paths[0]):
        vectors = _numbers(values["vectors"], None, FEATURES)
        coefficients = _numbers(values["coefficients"], len(vectors))
        rho, gamma = float(values["rho"]), float(values["gamma"])
        if not (math.isfinite(rho) and 0 < gamma < math.inf):
            raise ValueError("rho and gamma are to be finite, gamma positive")
    with _checking(paths[-1]):
        lower, upper = _numbers(values["lower"], FEATURES), _numbers(values["upper"], FEATURES)
        if not (lower < upper).all():
            raise ValueError("a feature's range is empty")
    return BrisqueModel(name, sha256, vectors, coefficients, rho, gamma, lower, upper)


@_once_while_unchanged
def _load_niqe(paths: Sequence[Path]) -> NiqeModel:
    path, data = paths[0], _read(paths[0])
    sha256 = _sha256([data])
    if path.suffix.lower() == ".json":
        values = _own_values(path, data, "niqe")
        name = str(values["name"])
    else:
        values, name = _matlab(path, data), _LIVE.get(sha256, path.name)
    with _checking(path):
        covariance = _numbers(values["covariance"], FEATURES, FEATURES)
        model = NiqeModel(name, sha256, _numbers(values["mean"], FEATURES), covariance)
        if abs(covariance - covariance.T).max() > 1e-6 * abs(covariance).max():
            raise ValueError("the covariance is not symmetric")
    return model


@contextlib.contextmanager
def _checking(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file's values into an error that names the file."""
    try:
        yield
    except KeyError as error:
        raise _broken(path, f"it lacks {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise _broken(path, error) from error


def _numbers(values: object, *shape: int | None) -> "Floats":
    """Finite numbers of a shape, whose None stands for any length."""
    import numpy as np

    array = np.array(values, np.float64)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"an array has the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("a value is not finite")
    array.setflags(write=False)  # whoever loads the model shares it
    return array


def _own_values(path: Path, data: bytes, kind: Kind) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _broken(path, error) from error
    if not isinstance(values, dict) or (values.get("format"), values.get("metric")) != (FORMAT, kind):
        raise _broken(path, f"it does not say {FORMAT!r} and {kind!r}")
    if not isinstance(values.get("name"), str):
        raise _broken(path, "it has no name")
    return values


def _libsvm(path: Path, data: bytes) -> dict[str, Any]:
    """Read libsvm's text: lines of names and values, then a line a support vector."""
    lines = data.decode("ascii", "replace").split("\n")
    with _checking(path):
        start = [line.strip() for line in lines].index("SV")
        header = dict(line.split(maxsplit=1) for line in lines[:start] if line.strip())
        kind = header["svm_type"].strip(), header["kernel_type"].strip()
        if kind != ("epsilon_svr", "rbf"):
            raise ValueError(f"it holds {' and '.join(kind)}, not epsilon_svr and rbf")
        rows = [line.split() for line in lines[start + 1 :] if line.strip()]
        if len(rows) != int(header["total_sv"]):
            raise ValueError(f"it has {len(rows)} support vectors of {header['total_sv'].strip()}")
        return {
            "gamma": float(header["gamma"]),
            "rho": float(header["rho"]),
            "coefficients": [float(row[0]) for row in rows],
            "vectors": [_dense(row[1:]) for row in rows],
        }


def _dense(entries: Sequence[str]) -> list[float]:
    """Values by their places from entries such as ``3:0.5``; absent ones are zero."""
    values = [0.0] * FEATURES
    for entry in entries:
        place, _, value = entry.partition(":")
        if not 1 <= int(place) <= FEATURES:
            raise ValueError(f"it has a feature {place} beyond the {FEATURES} of BRISQUE")
        values[int(place) - 1] = float(value)
    return values


def _ranges(path: Path, data: bytes) -> dict[str, Any]:
    """Read svm-scale's text: ``x``, the scaled range, then a line a feature of its number and range."""
    lines = [line.split() for line in data.decode("ascii", "replace").split("\n") if line.strip()]
    with _checking(path):
        if lines[:1] != [["x"]] or [float(value) for line in lines[1:2] for value in line] != [-1.0, 1.0]:
            raise ValueError("it does not scale features to -1 and 1")
        if [row[0] for row in lines[2:]] != [str(number) for number in range(1, FEATURES + 1)]:
            raise ValueError(f"it does not list features 1 to {FEATURES}")
        lower, upper = zip(*([float(value) for value in row[1:]] for row in lines[2:]), strict=True)
        return {"lower": lower, "upper": upper}


def _matlab(path: Path, data: bytes) -> dict[str, Any]:
    """Read the arrays of LIVE's MATLAB file."""
    from scipy.io import loadmat

    names = ["mu_prisparam", "cov_prisparam"]
    try:
        values = loadmat(io.BytesIO(data), variable_names=names)
    except Exception as error:
        raise _broken(path, error) from error
    with _checking(path):
        return {"mean": values[names[0]].ravel(), "covariance": values[names[1]]}
