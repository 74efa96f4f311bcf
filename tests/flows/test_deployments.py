"""prefect.yaml: what it deploys exists, and its parameters are ones that the flows take."""

import importlib
from pathlib import Path

import pytest
import yaml

from flows.service.deployments import PICTURES
from flows.workers.pools import BATCHES, PAIRS

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


# What a form asks for that has no folder of its own.
ASKED = {
    "stylize_pair": {"content": "content.jpg", "style": "style.jpg"}, "apply_folder": {"look": "look.cube"},
    "stylize_sequence": {"style": "style.jpg"},
}  # fmt: skip
POOLS = {
    "stylize_folder": BATCHES, "stylize_pair": PAIRS, "evaluate_folder": PAIRS, "apply_folder": PAIRS,
    "stylize_sequence": PAIRS,
}  # fmt: skip


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_a_deployments_flow_takes_its_parameters(deployment):
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    taken = flow.validate_parameters(deployment["parameters"] | ASKED.get(name, {}))
    assert taken["out"].is_relative_to(f"{{{{ ${PICTURES} }}}}")  # which the deploying process puts in
    assert deployment["work_pool"]["name"] == POOLS[name]
    assert taken.get("pool", PAIRS) in (PAIRS, None)


def test_bad_parameters_are_refused_with_the_limit_named():
    from prefect.exceptions import ParameterTypeError

    from flows.batch import stylize_folder

    for settings, words in (({"size": 3}, "greater than or equal to 32"), ({"sise": 64}, "sise")):
        with pytest.raises(ParameterTypeError, match=words):
            stylize_folder.validate_parameters({"source": "in", "out": "out", "settings": settings})


@pytest.mark.parametrize(("name", "value", "words"), [
    ("side", 63, "greater than or equal to 64"), ("evaluations", 0, "greater than or equal to 1"),
])  # fmt: skip
def test_an_evaluations_form_refuses_what_its_order_refuses(name, value, words):
    from prefect.exceptions import ParameterTypeError

    from flows.evaluation import evaluate_folder

    with pytest.raises(ParameterTypeError, match=words):
        evaluate_folder.validate_parameters({"source": "in", "out": "out", name: value})


def test_all_flows_are_deployed_and_one_has_a_nightly_schedule():
    entries = {deployment["entrypoint"] for deployment in DEPLOYMENTS}
    assert entries == {
        "flows.batch.stylize_folder", "flows.pair.stylize_pair", "flows.evaluation.evaluate_folder",
        "flows.apply.apply_folder", "flows.sequence.stylize_sequence",
    }  # fmt: skip
    assert any(schedule.get("cron") for deployment in DEPLOYMENTS for schedule in deployment["schedules"])
