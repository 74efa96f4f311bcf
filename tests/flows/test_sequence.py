"""A sequence through Prefect: its keys, its frames one by one, going on, its video; and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from batch_runs import QUICK, overrides_of
from outcome_tables import read_outcomes
from PIL import Image
from scenes import crop, drawn
from videos import save_with_sound, sound_of

from flows.display.watching import Watcher, watched_by
from flows.orders.sequence_order import SequenceOrder, find_sequence
from flows.results.frames import FrameResult
from flows.results.sequence_standing import find_sequence_standing
from flows.sequence import stylize_sequence
from pst_core.errors import OutputError, SequenceError
from pst_core.images.embedding import read_recipe
from pst_core.images.reading import read_photograph
from pst_core.images.writing import write_image
from pst_core.sequences import restyling
from pst_core.sequences.video import probe_video
from pst_core.settings.config import SequenceSettings
from tasks import sequences

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")

SCENES = drawn(110, 200, seed=1), drawn(110, 200, seed=2)
QUICKER = QUICK | {"rounds": 0, "segmentation": "one"}
FAST = {"settings": overrides_of(QUICKER), "sequence": SequenceSettings(key_every=4)}


@pytest.fixture
def style(tmp_path):
    write_image(
        tmp_path / "style.png", drawn(80, 100, seed=5) * np.array([1, 0.6, 0.3], np.float32)[:, None, None]
    )
    return tmp_path / "style.png"


@pytest.fixture
def frames(tmp_path):
    """Four frames of one shot, of 16 bits: the first and the last are keys."""
    for number in range(4):
        save_frame(tmp_path / "frames", number)
    return tmp_path / "frames"


def save_frame(folder, number, scene=0):
    shown = crop(SCENES[scene], 4 * number, 10, 80, 120)
    write_image(folder / f"f_{number + 9:02}.png", shown, bit_depth=16)


def run(source, style, out, **order):
    state = stylize_sequence(source, style, out, return_state=True, **(FAST | order))
    return state, state.result(raise_on_failure=False)


def states(summary):
    return [outcome.state for outcome in summary.outcomes]


@pytest.fixture
def computed(monkeypatch):
    """Names of the frames that are restyled, in the order in which they are finished."""
    begun = []
    publish = FrameResult.publish

    def noted(self, restyled):
        begun.append(self.place.picture.stem)
        return publish(self, restyled)

    monkeypatch.setattr(FrameResult, "publish", noted)
    return begun


def test_every_frame_is_restyled_between_the_keys_of_its_shot(frames, style, tmp_path):
    for number in (4, 5):
        save_frame(frames, number, scene=1)
    settings = overrides_of(QUICK | {"rounds": 1})
    sequence = SequenceSettings(key_every=2)
    state, _ = run(frames, style, tmp_path / "out", settings=settings, sequence=sequence)
    assert state.is_completed() and state.message == "6 frames: 6 done"
    names = [f"f_{number:02}" for number in range(9, 15)]
    assert sorted(path.stem for path in (tmp_path / "out" / "frames").iterdir()) == names
    keys = {path.parent.name for path in (tmp_path / "out" / "keys").glob("*/look.parquet")}
    assert keys == {"f_09", "f_11", "f_12", "f_13", "f_14"}
    assert [outcome.name for outcome in read_outcomes(tmp_path / "out")] == names
    told = [read_recipe(tmp_path / "out" / "frames" / f"{name}.png") for name in names]
    assert [each["distance"] for each in told] == [0, 0.5, 0, 1, 0, 1]
    assert told[0]["looks"] == told[1]["looks"] and told[2]["looks"] == told[3]["looks"]
    assert {*told[3]["looks"]}.isdisjoint(told[4]["looks"])
    result = read_photograph(tmp_path / "out" / "frames" / "f_10.png")
    assert result.bit_depth == 16 and result.pixels.shape == (3, 80, 120)
    before = read_photograph(frames / "f_10.png").pixels
    warm = [each[0].mean() - each[2].mean() for each in (before, result.pixels)]
    assert warm[1] > warm[0] + 0.1
    assert (tmp_path / "out" / "details" / "contact.png").exists()


def test_what_is_there_is_not_done_again(frames, style, tmp_path, computed):
    run(frames, style, tmp_path / "out")
    (tmp_path / "out" / "frames" / "f_10.png").unlink()
    damaged = tmp_path / "out" / "frames" / "f_12.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-400])
    computed.clear()
    summary = run(frames, style, tmp_path / "out")[1]
    assert computed == ["f_10", "f_12"] and damaged.read_bytes() == whole
    assert states(summary) == ["cached", "done", "cached", "done"]


def test_an_interrupted_sequence_goes_on_behind_its_last_frame(
    frames, style, tmp_path, computed, monkeypatch
):
    """Every frame is published before the next one is waited for."""
    restyle, seen = restyling.restyle, []

    def stop_in_the_middle(*given):
        if given[2] == 1 and not seen:
            seen.append(True)
            raise KeyboardInterrupt
        return restyle(*given)

    monkeypatch.setattr(restyling, "restyle", stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        run(frames, style, tmp_path / "out")
    done = [*computed]
    assert done and {path.stem for path in (tmp_path / "out" / "frames").iterdir()} == {*done}
    computed.clear()
    assert states(run(frames, style, tmp_path / "out")[1]).count("cached") == len(done)
    assert {*computed}.isdisjoint(done)


def test_a_frame_that_is_in_the_way_is_that_frames_failure(frames, style, tmp_path):
    (tmp_path / "out" / "frames").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "out" / "frames" / "f_10.png")
    state, summary = run(frames, style, tmp_path / "out")
    assert state.is_failed() and states(summary).count("done") == 3
    assert [outcome.name for outcome in summary.failed] == ["f_10"]
    assert "not this program's" in summary.failed[0].error


def test_a_frame_of_which_a_part_may_be_wrong_says_so(frames, style, tmp_path):
    """A JPEG with a hole in its middle can be decoded, and what is in the hole is made up."""
    whole = np.moveaxis(read_photograph(frames / "f_10.png").pixels, 0, -1)
    (frames / "f_10.png").unlink()
    path = frames / "f_10.jpg"
    Image.fromarray(np.rint(whole * 255).astype(np.uint8)).save(path, quality=98)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(400) + data[len(data) // 2 + 400 :])
    summary = run(frames, style, tmp_path / "out")[1]
    assert states(summary) == ["done"] * 4
    told = [any(note.startswith("Damaged JPEG data, a part of") for note in each.notes)
            for each in summary.outcomes]  # fmt: skip
    assert told == [False, True, False, False]


def test_frames_beside_a_key_that_failed_say_so(frames, style, tmp_path, monkeypatch):
    for number in (4, 5):
        save_frame(frames, number, scene=1)
    (tmp_path / "out" / "keys" / "f_14").mkdir(parents=True)
    (tmp_path / "out" / "keys" / "f_14" / "result.png").write_bytes(b"somebody's")
    summary = run(frames, style, tmp_path / "out")[1]
    assert states(summary) == ["done"] * 4 + ["failed"] * 2
    assert "The key frame f_14 beside it failed: " in summary.failed[0].error


def test_frames_own_maps_say_where_looks_go(frames, style, tmp_path):
    halves = np.zeros((80, 120, 3), np.uint8)
    halves[:, :60], halves[:, 60:] = (0, 0, 255), (255, 0, 0)
    (tmp_path / "maps").mkdir()
    for path in frames.iterdir():
        Image.fromarray(halves).save(tmp_path / "maps" / path.name)
    Image.fromarray(halves).resize((100, 80), Image.Resampling.NEAREST).save(tmp_path / "style_map.png")
    maps = {"maps": tmp_path / "maps", "style_map": tmp_path / "style_map.png"}
    assert run(frames, style, tmp_path / "out", **maps)[0].is_completed()
    told = read_recipe(tmp_path / "out" / "frames" / "f_12.png")
    assert {"semantic_map", "looks"} <= told.keys()
    (tmp_path / "maps" / "f_12.png").unlink()
    with pytest.raises(SequenceError, match=r"no map of frame f_12 in .*maps: add it"):
        stylize_sequence(frames, style, tmp_path / "other", **maps, **FAST)


def test_a_video_becomes_a_video_with_its_rate_and_its_sound(style, tmp_path, computed):
    source = save_with_sound(tmp_path / "clip.mp4", 4)
    state, summary = run(source, style, tmp_path / "out")
    assert state.is_completed(), summary.failed[0].error
    made = tmp_path / "out" / "sequence.mp4"
    video, given = probe_video(made), probe_video(source)
    assert (video.count, video.coding.rate, video.coding.tags) == (4, "25", given.coding.tags)
    assert sound_of(made) == sound_of(source)
    assert {path.name for path in (tmp_path / "out" / "key-frames").iterdir()} == {
        "000001.png",
        "000004.png",
    }
    frames = [
        read_photograph(tmp_path / "out" / "frames" / f"{number:06}.png").pixels for number in range(1, 5)
    ]
    for decode, wanted in zip(video.decodings(range(4)), frames, strict=True):
        assert np.abs(decode().pixels - wanted).mean() < 0.03
    stamp, computed[:] = made.stat().st_mtime_ns, []
    assert states(run(source, style, tmp_path / "out")[1]) == ["cached"] * 4
    assert not computed and made.stat().st_mtime_ns == stamp


def test_frames_become_a_video_that_is_asked_for_and_one_of_others_stays(frames, style, tmp_path):
    target = tmp_path / "film.mkv"
    settings = SequenceSettings(key_every=4, rate=12.5)
    run(frames, style, tmp_path / "out", video=target, sequence=settings)
    assert probe_video(target).coding.rate == "25/2" and probe_video(target).count == 4
    target.write_bytes(b"somebody's")
    with pytest.raises(Exception, match=r"film\.mkv holds a result that is not this program's"):
        stylize_sequence(
            frames, style, tmp_path / "out", video=target, settings=FAST["settings"], sequence=settings
        )


@pytest.mark.parametrize("policy", ["changed", "fail"])
def test_a_file_of_somebodys_in_the_videos_place_is_told_before_any_work(
    frames, style, tmp_path, computed, policy
):
    film = tmp_path / "film.mkv"
    film.write_bytes(b"somebody's")
    with pytest.raises(OutputError, match=r"film\.mkv holds a result"):
        stylize_sequence(frames, style, tmp_path / "out", video=film, on_conflict=policy, **FAST)
    assert not computed and not (tmp_path / "out" / "keys").exists()
    assert not (tmp_path / "out" / "sequence.json").exists()


def test_how_far_the_cuts_and_the_video_are_is_told(frames, style, tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "RUN", 3)
    told = []

    class Hears(Watcher):
        def frames_gone_through(self, what, done, total):
            told.append((what, done, total))

    with watched_by(Hears()):
        run(frames, style, tmp_path / "out", video=tmp_path / "film.mkv")
    assert told == [("cuts", 3, 4), ("cuts", 4, 4), *(("film.mkv", done, 4) for done in (1, 2, 3, 4))]


def test_one_frame_is_a_sequence(frames, style, tmp_path):
    for path in sorted(frames.iterdir())[1:]:
        path.unlink()
    assert states(run(frames, style, tmp_path / "out")[1]) == ["done"]


def test_frames_of_two_sizes_are_refused_before_any_work(frames, style, tmp_path, computed):
    Image.new("RGB", (64, 64)).save(frames / "f_12.png")
    with pytest.raises(SequenceError, match=r"f_12\.png in .* has 64x64 pixels and f_09\.png has 120x80"):
        stylize_sequence(frames, style, tmp_path / "out", **FAST)
    assert not computed and not (tmp_path / "out" / "keys").exists()


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda folder: (folder / "f_11.png").unlink(), "Frames are missing in .*: 11; "),
    (lambda folder: (folder / "f_12.png").rename(folder / "g_011.png"), "g_011 and f_11|f_11 and g_011"),
    (lambda folder: [path.unlink() for path in folder.iterdir()], "There is no photograph in"),
])  # fmt: skip
def test_what_is_no_sequence_is_refused(frames, style, tmp_path, change, sentence):
    change(frames)
    with pytest.raises(Exception, match=sentence):
        stylize_sequence(frames, style, tmp_path / "out", **FAST)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("order", "sentence"), [
    ({"maps": Path("maps")}, "--maps is given without --style-map"),
    ({"video": Path("film.avi")}, "not called like a video"),
])  # fmt: skip
def test_an_order_that_does_not_fit_is_refused(frames, style, tmp_path, order, sentence):
    with pytest.raises(SequenceError, match=sentence):
        stylize_sequence(frames, style, tmp_path / "out", **order, **FAST)


def test_an_order_is_taken_up_again(frames, style, tmp_path, monkeypatch, capsys):
    from flows.cli.app import run as pst

    monkeypatch.chdir(tmp_path)
    run(Path("frames"), Path("style.png"), Path("out"))
    assert json.loads(Path("out/sequence.json").read_text())["source"] == str(frames)
    assert pst(["resume", "out", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "summary", "out": "out", "pairs": 4, "cached": 4}
    assert [event["title"] for event in events if event["event"] == "method"] == ["Key frames", "Frames"]


def told(arguments, capsys, status=0):
    """Events of a command, by the method that they are of."""
    from flows.cli.app import run as pst

    assert pst([*arguments, "--json"]) == status
    by_method, method = {}, None
    for event in map(json.loads, capsys.readouterr().out.splitlines()):
        if event["event"] == "method":
            method = event["title"]
        else:
            by_method.setdefault(method, []).append(event)
    return by_method


def stand(events):
    return {event["name"]: event["state"] for event in events if event["event"] == "pair"}


def test_where_a_sequence_stands_is_told_before_while_and_after_it_runs(
    frames, style, tmp_path, monkeypatch, capsys, pst_home
):
    for number in (4, 5):
        save_frame(frames, number, scene=1)
    monkeypatch.chdir(tmp_path)
    names = [f"f_{number:02}" for number in range(9, 15)]
    dry_run = ["run", "--sequence", "frames", "--style", "style.png", "--out", "out", "--dry-run"]
    before = told(dry_run, capsys)
    assert stand(before["Frames"]) == dict.fromkeys(names, "new")
    assert [*stand(before["Key frames"])] == ["f_09", "f_14"]
    assert before["Frames"][-1]["notes"] == [
        "Frames have 120x80 pixels. Results go to out/frames.",
        "Cuts are looked for when it runs; both sides of each are key frames, too.",
    ]
    assert not Path("out").exists() and not pst_home.exists()
    assert "There is no folder out yet" in told(["status", "out"], capsys, status=1)[None][0]["message"]
    run(Path("frames"), Path("style.png"), Path("out"))
    after = told(["status", "out"], capsys)
    assert stand(after["Key frames"]) == dict.fromkeys(["f_09", "f_12", "f_13", "f_14"], "done")
    assert stand(after["Frames"]) == dict.fromkeys(names, "done")
    assert after["Frames"][-1]["done"] == 6 and after["Frames"][-1]["seconds_estimated"] is None
    assert "with 1 cut." in after["Frames"][-1]["notes"][0]
    Path("out/frames/f_11.png").unlink()
    Path("out/frames/f_12.png").write_bytes(b"somebody's")
    now = told(["status", "out"], capsys, status=3)
    assert stand(now["Frames"]) == dict.fromkeys(names, "done") | {"f_11": "new", "f_12": "failed"}
    assert not Path("out/frames/f_11.png").exists()


def test_frames_that_stand_alike_share_a_row(frames, style, tmp_path, capsys):
    from flows.cli.app import run as pst

    out = str(tmp_path / "out")
    run(frames, style, Path(out))
    (Path(out) / "frames" / "f_11.png").unlink()
    assert pst(["status", out]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["f_09", "to", "f_10", "done", "2", "of", "2"] in rows
    assert ["f_11", "new", "0", "of", "1"] in rows
    told = [" ".join(row) for row in rows]
    assert "4 frames: 3 done, 1 new." in told and "2 key frames: 2 done." in told


def test_another_style_makes_every_frame_new_and_what_is_there_can_be_left(frames, style, tmp_path, capsys):
    run(frames, style, tmp_path / "out")
    write_image(style, drawn(80, 100, seed=6), overwrite=True)
    for policy, state, key in (
        ("changed", "new", "new"),
        ("skip", "left", "left"),
        ("fail", "failed", "failed"),
    ):
        order = SequenceOrder(
            source=frames, style=style, out=tmp_path / "out", settings=QUICKER,
            sequence=FAST["sequence"], on_conflict=policy,
        )  # fmt: skip
        standing = find_sequence_standing(order, find_sequence(order))
        assert {each.state for each in standing.frames} == {state}, policy
        assert {each.state for each in standing.keys} == {key}, policy


def test_where_a_video_stands_is_told_without_taking_its_frames(style, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_with_sound(tmp_path / "clip.mp4", 4)
    dry_run = ["run", "--sequence", "clip.mp4", "--style", "style.png", "--out", "out", "--dry-run"]
    before = told(dry_run, capsys)
    assert stand(before["Key frames"]) == {"000001": "new", "000004": "new"}
    assert before["Frames"][-1]["notes"][0] == (
        "Frames have 96x64 pixels. Results go to out/frames, and as a video to out/sequence.mp4."
    )
    assert not Path("out").exists()
    run(Path("clip.mp4"), Path("style.png"), Path("out"))
    assert set(stand(told(["status", "out"], capsys)["Frames"]).values()) == {"done"}


def test_whether_its_video_is_made_of_the_frames_as_they_stand_is_told(frames, style, tmp_path, capsys):
    line = ["run", "--sequence", str(frames), "--style", str(style), "--out", str(tmp_path / "out")]
    film = tmp_path / "film.mkv"

    def video(arguments=("status", str(tmp_path / "out")), status=0):
        told_of = told(arguments, capsys, status)["Video"]
        assert told_of[1]["pairs"] == 1 and told_of[1]["seconds_estimated"] is None
        assert (told_of[0]["name"], told_of[0]["folder"]) == ("film.mkv", str(tmp_path))
        return told_of[0]["state"], told_of[0]["why"]

    assert video([*line, "--video", str(film), "--dry-run"]) == (
        "new", "missing: the next run makes it",
    )  # fmt: skip
    run(frames, style, tmp_path / "out", video=film)
    assert video() == ("done", "")
    picture = tmp_path / "out" / "frames" / "f_11.png"
    whole = picture.read_bytes()
    picture.unlink()
    assert video() == ("new", "out of date: not all frames are there that it is to be made of")
    picture.write_bytes(whole)
    assert video() == ("done", "")
    run(frames, style, tmp_path / "out", video=film, sequence=SequenceSettings(key_every=4, rate=12))
    save_order(tmp_path / "out", video=film, rate=24)
    assert video() == ("new", "out of date: its frames, its rate or its sound changed since it was made")
    save_order(tmp_path / "out", video=film, rate=24, on_conflict="skip")
    assert video() == ("left", "another result is there (--on-conflict skip)")
    film.write_bytes(b"somebody's")
    save_order(tmp_path / "out", video=film, rate=24)
    state, why = video(status=3)
    assert state == "failed" and "film.mkv holds a result that is not this program's" in why


def save_order(out, video, rate, on_conflict="changed"):
    """Have the order that lies in a folder ask for another video."""
    order = SequenceOrder.load(out)
    sequence = order.sequence.model_copy(update={"rate": rate})
    order.model_copy(update={"video": video, "sequence": sequence, "on_conflict": on_conflict}).save()


def test_the_text_says_how_the_video_stands(style, tmp_path, monkeypatch, capsys):
    from flows.cli.app import run as pst

    monkeypatch.chdir(tmp_path)
    save_with_sound(tmp_path / "clip.mp4", 4)
    run(Path("clip.mp4"), Path("style.png"), Path("out"))
    assert pst(["status", "out"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["sequence.mp4", "done", "1", "of", "1"] in rows and ["1", "video:", "1", "done."] in rows
    Path("out/sequence.mp4").unlink()
    assert pst(["status", "out"]) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "sequence.mp4 new 0 of 1 missing: the next run makes it" in told


COMPLETE = ["--sequence", "frames", "--style", "style.png", "--out", "o"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--sequence", "frames", "--out", "o"], "name it with --style FILE"),
    (["--sequence", "frames", "--style", "style.png"], "Say where the results go"),
    ([*COMPLETE, "--flat"], "--flat does not go with --sequence"),
    (["frames", *COMPLETE], "A folder of pairs does not go"),
    ([*COMPLETE, "--key-every", "0"], "'key_every' cannot be 0"),
    (["frames", "--out", "o", "--key-every", "5"], "--key-every is for a sequence"),
    (["--sequence", "none", *COMPLETE[2:]], "There is no none: name a folder of numbered"),
])  # fmt: skip
def test_the_command_line_refuses_in_one_sentence(
    frames, style, tmp_path, monkeypatch, capsys, arguments, sentence
):
    from flows.cli.app import run as pst

    monkeypatch.chdir(tmp_path)
    assert pst(["run", *arguments]) == 1
    assert sentence in capsys.readouterr().err
