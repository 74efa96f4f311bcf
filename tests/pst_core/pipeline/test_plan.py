import pytest

from pst_core.pipeline.plan import plan_stages, working_sizes
from pst_core.settings.config import PRESETS, Config


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", [40, 200, 700, 6000])
def test_stages_of_every_preset(preset, side):
    config = Config.make(preset)
    stages = plan_stages(config, side)
    assert [stage.kind for stage in stages] == ["global", "regional"] * config.rounds  # figure 2 of the paper
    assert [stage.index for stage in stages] == list(range(2 * config.rounds))
    assert [stage.round for stage in stages] == [turn for turn in range(config.rounds) for _ in range(2)]
    sizes = [stage.size for stage in stages]
    assert sizes == sorted(sizes)
    assert max(sizes) == min(config.size or side, side)
    assert set(sizes) <= set(working_sizes(config, side))


def test_the_papers_preset_works_at_full_size():
    stages = plan_stages(Config.make("paper"), 700)
    assert {stage.size for stage in stages} == {700}
    assert {stage.iterations for stage in stages} == {100}


@pytest.mark.parametrize(("scales", "rounds", "expected"), [
    (1, 3, [256, 256, 256]),
    (2, 2, [128, 256]),
    (2, 3, [128, 128, 256]),
    (3, 3, [64, 128, 256]),
    (3, 7, [64, 64, 64, 128, 128, 256, 256]),
])  # fmt: skip
def test_rounds_are_spread_from_coarse_to_fine(scales, rounds, expected):
    stages = plan_stages(Config(size=256, scales=scales, rounds=rounds), 4000)
    assert [stage.size for stage in stages if stage.kind == "global"] == expected
    assert [stage.size for stage in stages if stage.kind == "regional"] == expected


@pytest.mark.parametrize(("size", "side", "scales", "expected"), [
    (192, 700, 1, (192,)),
    (192, 100, 1, (100,)),
    (None, 700, 1, (700,)),
    (None, 700, 3, (175, 350, 700)),
    (384, 300, 2, (150, 300)),
    (64, 700, 6, (32, 64)),  # nothing below 32 pixels, no size twice
    (192, 20, 2, (20,)),
])  # fmt: skip
def test_sizes_are_halves_and_never_larger_than_the_content(size, side, scales, expected):
    assert working_sizes(Config(size=size, scales=scales), side) == expected


def test_a_kind_without_iterations_is_left_out():
    only = plan_stages(Config(global_iterations=0, regional_iterations=7, rounds=3), 500)
    assert [(stage.kind, stage.iterations) for stage in only] == [("regional", 7)] * 3
    only = plan_stages(Config(global_iterations=5, regional_iterations=0, rounds=2), 500)
    assert [(stage.index, stage.kind) for stage in only] == [(0, "global"), (1, "global")]
    assert plan_stages(Config(global_iterations=0, regional_iterations=0), 500) == ()


def test_no_rounds_are_no_stages_but_still_a_size():
    config = Config(rounds=0)
    assert plan_stages(config, 700) == ()
    assert working_sizes(config, 700) == (256,)


def test_more_scales_than_rounds_end_at_the_finest_or_before_but_never_go_back():
    stages = plan_stages(Config(size=256, scales=4, rounds=1), 700)
    assert [stage.size for stage in stages] == [32, 32]


def test_names():
    assert [stage.name for stage in plan_stages(Config(rounds=2), 500)] == [
        "round 1 global", "round 1 regional", "round 2 global", "round 2 regional",
    ]  # fmt: skip
