"""A sequence as it was ordered: which frames, with which style, and what becomes of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from flows import layout
from flows.layout import Place, place_of
from flows.orders.conflicts import OnConflict
from flows.orders.picture_names import EXTENSION
from flows.orders.planning import PairOrder, Prober
from flows.orders.saved import KeptOrder
from flows.pairs.find import find_maps, find_photographs
from flows.pairs.names import show
from flows.pairs.pair import Pair, is_folder, photograph_problem
from pst_core.errors import SequenceError
from pst_core.files import check_nameable, check_writable
from pst_core.images.input_files import InputFile
from pst_core.owners import nearest_there_is
from pst_core.sequences.footage import PictureFrames, check_sizes, check_whole
from pst_core.sequences.numbering import in_order
from pst_core.settings.config import Config, OutputSettings, PresetName, SequenceSettings

if TYPE_CHECKING:
    from pst_core.sequences.video import VideoFrames


class SequenceOrder(KeptOrder):
    """A sequence as it was ordered; see `flows.sequence.stylize_sequence`."""

    file: ClassVar[str] = layout.SEQUENCE
    command: ClassVar[str] = "pst run --sequence"

    style: Path
    maps: Path | None = None
    style_map: Path | None = None
    video: Path | None = None
    preset: PresetName = "default"
    settings: dict[str, Any] = Field(default={})
    sequence: SequenceSettings = SequenceSettings()
    on_conflict: OnConflict = "changed"

    @property
    def config(self) -> Config:
        """The settings of its key frames.

        Raises
        ------
        ConfigError
            One does not exist, or its value is out of its range.
        """
        return Config.make(self.preset, **self.settings)

    @property
    def output(self) -> OutputSettings:
        """How its frames are written."""
        return self.config.section(OutputSettings)

    @property
    def video_wanted(self) -> Path | None:
        """Where a video of the results goes; None where there is to be none."""
        return self.video or (None if is_folder(self.source) else self.out / layout.VIDEO)

    def place(self, name: str) -> Place:
        """Where a frame goes, if nothing is in the way."""
        return place_of(self.out, name, f"{layout.FRAMES}/{name}{EXTENSION}")

    def key_picture(self, name: str) -> Path:
        """Where the picture goes that is made of a video's frame, if it is a key."""
        return self.out / layout.KEY_PICTURES / f"{name}{EXTENSION}"


@dataclass(frozen=True)
class FoundSequence:
    """The frames of a sequence, known before any work.

    Attributes
    ----------
    names : tuple of str
        What each frame is called, in order.
    footage : PictureFrames or VideoFrames
    maps : tuple of InputFile
        The frames' own maps; empty where there are none.
    notes : tuple of str
        What was passed over.
    prober : Prober
        What read them, and knows them.
    """

    names: tuple[str, ...]
    footage: "PictureFrames | VideoFrames"
    maps: tuple[InputFile, ...] = ()
    notes: tuple[str, ...] = ()
    prober: Prober = field(default_factory=Prober)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The frames' files; none of a video."""
        files = self.footage.files if isinstance(self.footage, PictureFrames) else ()
        return tuple(file.path for file in files)

    @property
    def video(self) -> "VideoFrames | None":
        """The frames, where they are a video's."""
        return None if isinstance(self.footage, PictureFrames) else self.footage

    def map_of(self, place: int) -> InputFile | None:
        """A frame's own map."""
        return self.maps[place] if self.maps else None

    def key_order(self, order: SequenceOrder, place: int) -> PairOrder:
        """The order of a key frame's pair, with its look."""
        name, own = self.names[place], self.map_of(place)
        maps = (None, None) if own is None else (own.path, order.style_map)
        content = self.pictures[place] if self.pictures else order.key_picture(name)
        pair = Pair(name, content, order.style, *maps)
        return PairOrder(
            pair, order.out / layout.KEYS, order.config, order.preset, order.on_conflict, look=True
        )


def find_sequence(order: SequenceOrder) -> FoundSequence:
    """The frames of an order; nothing is written.

    What can be known without its frames is known before any of them is read.

    Raises
    ------
    PstError
        The source is no sequence, a frame cannot be read, the style cannot be used, maps do not fit, or the
        video that is wanted cannot be made.
    """
    _check_without_frames(order)
    return _find(order)


def check_sequence(order: SequenceOrder) -> FoundSequence:
    """The frames of an order, after looking whether results can be written.

    Raises
    ------
    PstError
        As for `find_sequence`, or an output folder cannot be written.
    """
    _check_without_frames(order)
    folders = [order.out, *(() if order.video_wanted is None else (order.video_wanted.parent,))]
    for folder in folders:
        check_writable(nearest_there_is(folder))  # for the sake of frames that cannot be read none is made
    found = _find(order)
    for folder in folders:
        check_writable(folder)
    return found


def load_sequence_order(out: Path) -> SequenceOrder | None:
    """The sequence that was last run into a folder; None if there was none.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    try:
        return SequenceOrder.load(out)
    except FileNotFoundError:
        return None


def _check_without_frames(order: SequenceOrder) -> None:
    _ = order.config
    _check_style(order)
    _check_source(order.source)
    _check_video(order)


def _check_style(order: SequenceOrder) -> None:
    if (problem := photograph_problem(order.style)) is not None:
        raise SequenceError(problem)
    if (order.maps is None) != (order.style_map is None):
        there, missing = ("--maps", "--style-map") if order.maps else ("--style-map", "--maps")
        raise SequenceError(f"{there} is given without {missing}: give maps of both sides, or of neither.")


def _check_source(source: Path) -> None:
    if is_folder(source):
        return
    if not source.exists():
        raise SequenceError(f"There is no {show(source)}: name a folder of numbered frames, or a video.")
    if photograph_problem(source) is None:  # FFmpeg would take it for a video of one frame
        raise SequenceError(f"{show(source)} is a photograph: name its folder, or a video.")


def _find(order: SequenceOrder) -> FoundSequence:
    prober = Prober()
    if is_folder(order.source):
        names, pictures, notes = _numbered(order.source, order.out)
        maps = _maps(order, names)
        footage = PictureFrames(files=tuple(_frame(picture, prober) for picture in pictures))
        check_sizes(footage.files, order.source)
        return FoundSequence(names, footage, tuple(map(prober, maps)), notes, prober)
    from pst_core.sequences.odd_videos import check_odd
    from pst_core.sequences.video import probe_video

    video = probe_video(order.source)
    check_odd(video)
    names = tuple(f"{number:06}" for number in range(1, video.count + 1))
    return FoundSequence(names, video, tuple(map(prober, _maps(order, names))), prober=prober)


def _numbered(folder: Path, out: Path | None) -> tuple[tuple[str, ...], tuple[Path, ...], tuple[str, ...]]:
    """Names and files of the frames that lie in a folder itself, in order, and notes."""
    found = find_photographs(folder, out=out)
    frames = [pair for pair in found.pairs if "/" not in pair.name]
    if not frames:
        raise SequenceError(f"There is no frame in {show(folder)} itself: name the folder that holds them.")
    for frame in frames:
        if frame.problem is not None:
            raise SequenceError(frame.problem)
    ordered = [frames[place] for place in in_order([frame.name for frame in frames], show(folder))]
    return tuple(frame.name for frame in ordered), tuple(frame.content for frame in ordered), found.notes


def _frame(picture: Path, prober: Prober) -> InputFile:
    """A frame that is whole; it is looked at while the system still holds what was read for its hash."""
    file = prober(picture)
    check_whole(file)
    return file


def _maps(order: SequenceOrder, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Each frame's own map, called like it."""
    if order.maps is None:
        return ()
    known = find_maps(order.maps)
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise SequenceError(
            f"There is no map of frame {missing} in {show(order.maps)}: add it, or leave --maps out."
        )
    return tuple(known[name] for name in names)


def _check_video(order: SequenceOrder) -> None:
    """Whether a video can be written that is wanted, as far as that is known without its frames."""
    target = order.video_wanted
    if target is None:
        return
    from pst_core.sequences.video import load_av
    from pst_core.sequences.video_writing import check_sound, check_video_name

    check_video_name(target)
    check_nameable(target)
    load_av()
    if target.exists() and target.samefile(order.source):
        raise SequenceError(f"{show(target)} is the source and would be lost: give --video another name.")
    if not is_folder(order.source):
        check_sound(order.source, target)
