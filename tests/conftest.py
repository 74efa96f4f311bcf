"""What several test modules share: small pictures, a small network, and material that may be absent."""

import pst_core  # noqa: F401  # isort: skip - how threads wait is said before what has them is loaded

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from flows.runtime.settings import import_prefect
from pst_core.network.encoder import Encoder
from pst_core.network.weights import load_weights

# Pictures here are so small that threads would mostly wait for one another.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by what is loaded later, such as scikit-learn
os.environ["HF_HUB_OFFLINE"] = "1"  # no test fetches a model
os.environ["HF_HUB_CACHE"] = "no-models-from-outside"
import_prefect()  # read by Prefect when it is imported
# How long an example takes says how busy the machine is: it is no test's failure.
hypothesis_settings.register_profile(
    "any machine", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Behind a shell's &: what tests start would be deaf to it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(autouse=True)
def _no_weights_from_outside(monkeypatch):
    """Files of weights or models named in the environment must not decide what a test sees."""
    monkeypatch.delenv("PST_VGG19_WEIGHTS", raising=False)
    monkeypatch.delenv("PST_DEEPLAB_WEIGHTS", raising=False)
    monkeypatch.delenv("PST_SEMANTIC_MODEL", raising=False)
    monkeypatch.delenv("PST_QUALITY_MODELS", raising=False)


@pytest.fixture(scope="session")
def prefect_server_for_tests(tmp_path_factory):
    """One Prefect server for the whole session, with a database of its own; flows run one after another.

    What it would do by itself beside that, as for schedules, triggers and pages of events, no test asks for.
    """
    from prefect import settings
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    idle = (
        settings.PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
        settings.PREFECT_SERVER_SERVICES_FOREMAN_ENABLED,
        settings.PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED,
        settings.PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED,
        settings.PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED,
    )
    with (
        temporary_settings(dict.fromkeys(idle, False)),
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def pst_home(tmp_path, monkeypatch):
    """A store of the test's own."""
    monkeypatch.setenv("PST_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def hybrid_weights():
    """The stand-in for VGG-19's weights, which is no part of the project."""
    path = SHARED / "weights" / "vgg19-hybrid.fp16.safetensors"
    if not path.is_file():
        pytest.skip("needs ../shared/weights/vgg19-hybrid.fp16.safetensors beside the project")
    return path


@pytest.fixture(scope="session")
def luan60():
    """The folder of evaluation pairs, which is no part of the project."""
    path = SHARED / "luan60"
    if not path.is_dir():
        pytest.skip("needs the pairs in ../shared/luan60 beside the project")
    return path


@pytest.fixture(scope="session")
def untrained():
    """The seeded untrained network's weights, down to conv5_1."""
    return load_weights("untrained")


@pytest.fixture(scope="session")
def small_encoder(untrained):
    """The first two blocks of the untrained network: enough layers for a loss, quick to run."""
    return Encoder(untrained, ("conv1_1", "conv2_1", "conv2_2"), torch.float32, torch.device("cpu"))


@pytest.fixture
def random_image():
    """Return a function that makes a seeded float image of shape (3, H, W) with values all over [0, 1]."""

    def make(height, width, seed=0, dtype=torch.float32):
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(3, height, width, generator=generator, dtype=dtype)

    return make


@pytest.fixture
def landscape():
    """Return a function that makes a photograph of sky over ground, and its map, as uint8 arrays."""

    def make(height, width, sky, ground, horizon=0.5, seed=0):
        rng = np.random.default_rng(seed)
        border = round(height * horizon)
        rows = np.linspace(0, 1, height)[:, None, None]
        image = np.empty((height, width, 3))
        image[:border] = np.array(sky) + 25 * rows[:border]
        image[border:] = np.array(ground) + 25 * rows[border:]
        image += rng.normal(0, 2, image.shape)
        image[border:] += rng.normal(0, 18, (height - border, width, 1))  # ground is rough, sky is smooth
        semantic = np.zeros((height, width, 3), np.uint8)
        semantic[:border], semantic[border:] = (0, 0, 255), (0, 255, 0)
        return np.clip(image, 0, 255).round().astype(np.uint8), semantic

    return make
