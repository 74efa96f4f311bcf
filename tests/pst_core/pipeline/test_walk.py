import pytest

from pst_core.pipeline.plan import cheaper_plan, plan_stages, working_sizes
from pst_core.pipeline.walk import walk
from pst_core.settings.config import PRESETS, Config


class Recorder:
    """Steps that write down what they were given, and hand on a name for what they made."""

    def __init__(self):
        self.calls = []

    def _made(self, call, name):
        self.calls.append(call)
        return name

    def find_regions(self):
        return self._made("find regions", "regions")

    def prepare(self, regions, size):
        return self._made(f"prepare {regions} {size}", f"pair{size}")

    def start(self, prepared):
        return self._made(f"start {prepared}", "i0")

    def enlarge(self, image, coarse, fine):
        return self._made(f"enlarge {image} {coarse}->{fine}", image + "^")

    def optimise(self, image, stage, prepared):
        return self._made(f"optimise {image} {stage.name} {prepared}", f"o{stage.index + 1}")

    def filter(self, image, stage, prepared):
        return self._made(f"filter {image} {stage.name} {prepared}", f"i{stage.index + 1}")

    def render(self, image, prepared):
        return self._made(f"render {image} {prepared}", f"result of {image}")


def walked(config, side):
    steps = Recorder()
    regions, result = walk(steps, config, side)
    assert regions == "regions"
    return steps.calls, result


def test_two_rounds_at_one_size_are_the_papers_figure():
    calls, result = walked(Config(rounds=2, size=192), 700)
    assert calls == [
        "find regions",
        "prepare regions 192",
        "start pair192",
        "optimise i0 round 1 global pair192",
        "filter o1 round 1 global pair192",
        "optimise i1 round 1 regional pair192",
        "filter o2 round 1 regional pair192",
        "optimise i2 round 2 global pair192",
        "filter o3 round 2 global pair192",
        "optimise i3 round 2 regional pair192",
        "filter o4 round 2 regional pair192",
        "render i4 pair192",
    ]
    assert result == "result of i4"


def test_two_rounds_at_two_sizes_carry_the_image_from_one_to_the_next():
    calls, result = walked(Config(rounds=2, size=192, scales=2), 700)
    assert calls == [
        "find regions",
        "prepare regions 96",
        "start pair96",
        "optimise i0 round 1 global pair96",
        "filter o1 round 1 global pair96",
        "optimise i1 round 1 regional pair96",
        "filter o2 round 1 regional pair96",
        "prepare regions 192",
        "enlarge i2 pair96->pair192",
        "optimise i2^ round 2 global pair192",
        "filter o3 round 2 global pair192",
        "optimise i3 round 2 regional pair192",
        "filter o4 round 2 regional pair192",
        "render i4 pair192",
    ]
    assert result == "result of i4"


def test_without_rounds_the_start_is_rendered_at_the_finest_size():
    calls, _ = walked(Config(rounds=0), 700)
    assert calls == ["find regions", "prepare regions 256", "start pair256", "render i0 pair256"]
    calls, _ = walked(Config(rounds=0, scales=2), 700)
    assert calls[-3:] == ["prepare regions 256", "enlarge i0 pair128->pair256", "render i0^ pair256"]


def test_one_kind_of_stage_alone_is_filtered_all_the_same():
    calls, _ = walked(Config(rounds=1, global_iterations=0), 700)
    assert calls[3:] == [
        "optimise i0 round 1 regional pair256",
        "filter o1 round 1 regional pair256",
        "render i1 pair256",
    ]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", [40, 700, 5000])
def test_every_stage_of_the_plan_is_walked_once_and_in_order(preset, side):
    config = Config.make(preset)
    calls, _ = walked(config, side)
    expected = [f"{stage.name} pair{stage.size}" for stage in plan_stages(config, side)]
    for step in ("optimise", "filter"):
        assert [call.split(" ", 2)[2] for call in calls if call.startswith(step)] == expected


def test_a_plan_that_failed_on_a_gpu_is_moved_to_the_cpu_at_its_size():
    config = Config.make("quality", device="cuda:1", precision="bfloat16", seed=5)
    cheaper = cheaper_plan(config, 900, on_gpu=True)
    assert (cheaper.device, cheaper.precision) == ("cpu", "float32")
    changed = {name for name, value in cheaper if value != getattr(config, name)}
    assert changed == {"device", "precision"}
    assert working_sizes(cheaper, 900) == working_sizes(config, 900)


@pytest.mark.parametrize("size", [None, 64, 192, 384, 4000])
@pytest.mark.parametrize("side", [50, 91, 92, 300, 6000])
@pytest.mark.parametrize("scales", [1, 3])
def test_on_a_cpu_sizes_shrink_strictly_and_come_to_an_end_above_64(size, side, scales):
    first = config = Config(size=size, scales=scales, seed=9)
    sizes = [working_sizes(config, side)[-1]]
    while (cheaper := cheaper_plan(config, side, on_gpu=False)) is not None:
        assert {name for name, value in cheaper if value != getattr(config, name)} == {"size"}
        sizes.append(working_sizes(cheaper, side)[-1])
        config = cheaper
        assert len(sizes) < 30
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(each >= 64 for each in sizes[1:])
    assert sizes[-1] < 64 / 0.7 + 1  # another step would have been below 64
    assert Config.model_validate(config.model_dump()) == config  # what came of it is valid
    assert first == Config(size=size, scales=scales, seed=9)


def test_a_cheaper_plan_never_changes_the_one_that_failed():
    config = Config(device="cuda", precision="bfloat16")
    before = config.model_dump()
    for on_gpu in (True, False):
        assert cheaper_plan(config, 700, on_gpu=on_gpu) != config
        assert config.model_dump() == before
