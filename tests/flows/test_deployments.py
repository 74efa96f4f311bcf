"""prefect.yaml: what it deploys exists, and its parameters are ones that the flows take."""

import importlib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def test_a_deployments_flow_takes_its_parameters(deployment, monkeypatch):
    monkeypatch.chdir(ROOT)
    path, _, name = deployment["entrypoint"].partition(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    taken = flow.validate_parameters(deployment["parameters"])
    sources = [taken[role] for role in ("source", "content", "style", "content_map") if taken.get(role)]
    assert sources and all(source.exists() for source in sources)
    assert deployment["work_pool"]["name"] == "pst"


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
        "flows/batch.py:stylize_folder", "flows/pair.py:stylize_pair", "flows/evaluation.py:evaluate_folder",
    }  # fmt: skip
    assert any(schedule.get("cron") for deployment in DEPLOYMENTS for schedule in deployment["schedules"])
