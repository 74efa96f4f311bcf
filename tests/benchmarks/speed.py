"""Speed and memory on this machine, as ratios taken in one run.

    python tests/benchmarks/speed.py [--pair 1] [--device cpu] [--data ../shared/luan60]

Prints: the default preset's time as a whole process against 1000 plain evaluations (torchvision's network,
float32, contiguous, full size, global loss), extrapolated from a few; one evaluation of ours against a plain
one of equal size; the network's arithmetic rate against a large matrix product's in the same precision; peak
memory; and a 3500x2185 content against the 700-pixel one.
"""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from one_pair import SHARED, parser_of, paths_of
from torch.utils.flop_counter import FlopCounterMode

from pst_core import Config
from pst_core.images.inputs import load_inputs
from pst_core.images.reading import read_photograph
from pst_core.machine import pick_device
from pst_core.network.encoder import open_encoder
from pst_core.network.weights import CONVOLUTIONS, load_weights
from pst_core.optimisation.objectives import global_losses, regional_losses
from pst_core.pipeline import steps

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import resource, sys
from pst_core import Config, stylize
from pst_core.images.writing import write_image
*paths, weights, out = sys.argv[1:]
result = stylize(*paths, config=Config(weights=weights, device="{device}"))
write_image(out, result.image, overwrite=True)
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
print("steps", {{name: round(seconds, 2) for name, seconds in result.seconds.items()}})
"""


def median_seconds(action: Callable[[], object], device: torch.device, runs: int = 5) -> float:
    times = []
    for _ in range(runs + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


class PlainLoss:
    """The global loss as first written down: torchvision's layers one by one, float32, contiguous."""

    def __init__(self, weights: str, content: torch.Tensor, style: torch.Tensor) -> None:
        device = content.device
        state = load_weights(weights).state
        self.network = (
            torchvision.models.vgg19(weights=None).features[:30].eval().requires_grad_(False).to(device)
        )
        for module in self.network:
            if isinstance(module, torch.nn.ReLU):
                module.inplace = False
        self.after = {}
        for name, (index, _, _) in CONVOLUTIONS.items():
            if f"{name}.weight" in state:
                self.network[index].weight.copy_(state[f"{name}.weight"])
                self.network[index].bias.copy_(state[f"{name}.bias"])
                self.after[index + 1] = name
        self.mean = torch.tensor([0.485, 0.456, 0.406], device=device).view(1, 3, 1, 1)
        self.deviation = torch.tensor([0.229, 0.224, 0.225], device=device).view(1, 3, 1, 1)
        with torch.no_grad():
            self.content = self.features(content)["conv4_2"]
            self.style = {name: self.gram(value) for name, value in self.features(style).items()}

    def features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x, found = (image[None] - self.mean) / self.deviation, {}
        for index, module in enumerate(self.network):
            x = module(x)
            if index in self.after:
                found[self.after[index]] = x[0].flatten(1)
        return found

    @staticmethod
    def gram(features: torch.Tensor) -> torch.Tensor:
        return features @ features.T

    def evaluate(self, image: torch.Tensor) -> torch.Tensor:
        point = image.clone().requires_grad_()
        features = self.features(point)
        loss = (features["conv4_2"] - self.content).square().mean() / 2
        for name in ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"):
            loss = loss + 0.2 * (self.gram(features[name]) - self.style[name]).square().mean() / 2
        return torch.autograd.grad(loss, point)[0]


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    side = 8192 if device.type == "cuda" else 3072
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / median_seconds(lambda: left @ right, device, 5)


def whole_process(paths: list[str], weights: str, device: str, out: Path) -> tuple[float, float]:
    """Seconds and peak gigabytes of one run in a process of its own, starting Python included."""
    start = time.perf_counter()
    command = [sys.executable, "-c", CHILD.format(device=device), *paths, weights, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    seconds = time.perf_counter() - start
    print("   ", re.findall(r"steps (.*)", done.stdout)[0])
    return seconds, float(re.findall(r"peak (.*)", done.stdout)[0])


def main() -> None:
    parser = parser_of(__doc__, pair=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("results"))
    arguments = parser.parse_args()
    data, pair = arguments.data, arguments.pair
    weights = os.environ.get("PST_VGG19_WEIGHTS", str(SHARED / "weights/vgg19-hybrid.fp16.safetensors"))
    paths = paths_of(data, pair)
    arguments.out.mkdir(parents=True, exist_ok=True)
    device = pick_device(arguments.device)
    config = Config(weights=weights, device=arguments.device)
    inputs = load_inputs(*paths)
    _, encoder = open_encoder(config, config.layers)
    dtype = encoder.dtype
    working, targets = steps.precompute(
        inputs.content.pixels, [inputs.style.pixels], [steps.regions_of_maps(inputs, config)], config.size,
        encoder, config, staged=True,
    )  # fmt: skip

    full = [torch.from_numpy(read_photograph(path).pixels).to(device) for path in paths[:2]]
    plain_full, plain_small = PlainLoss(weights, *full), PlainLoss(weights, working.content, working.style)
    seconds, peak = whole_process(paths, weights, arguments.device, arguments.out / "speed.png")
    plain = median_seconds(lambda: plain_full.evaluate(full[0]), device, 3)
    again, _ = whole_process(paths, weights, arguments.device, arguments.out / "speed.png")
    seconds = statistics.mean([seconds, again])
    print(
        f"one plain evaluation at full size: {plain:.3f} s; the default preset, all included: {seconds:.2f} s"
    )
    print(f"1000 plain evaluations / default preset: {1000 * plain / seconds:.0f} (goal 250)")
    print(f"peak memory of that process: {peak:.2f} GB (goal 3)")

    small = median_seconds(lambda: plain_small.evaluate(working.content), device)
    for name, losses in (("global", global_losses), ("regional", regional_losses)):
        function = losses(encoder, targets, config)

        def ours(function: Callable = function) -> object:
            point = working.content.clone().requires_grad_()
            return torch.autograd.grad(function(point).total, point)

        time_ = median_seconds(ours, device)
        print(
            f"plain / our {name} evaluation at working size ({dtype}): {small / time_:.2f}; "
            f"{1 / time_:.1f} a second"
        )

    def network_only() -> None:
        point = working.content[None].clone().requires_grad_()
        deepest = encoder(point)["conv5_1"]
        deepest.backward(torch.ones_like(deepest))

    with FlopCounterMode(display=False) as counter:
        network_only()
    rates = []
    for _ in range(5):
        network_rate = counter.get_total_flops() / median_seconds(network_only, device, 3)
        rates.append(network_rate / matrix_rate(device, dtype))
    print(
        f"network's arithmetic rate / large matrix product's, {dtype}: "
        f"{statistics.median(rates):.2f} (goal 0.80)"
    )

    large = [str(SHARED / "highres" / name) for name in ("content-3500x2185.jpg", "style.png")]
    if Path(large[0]).exists():
        bare, _ = whole_process(paths[:2], weights, arguments.device, arguments.out / "speed.png")
        high, peak = whole_process(large, weights, arguments.device, arguments.out / "speed-large.png")
        print(
            f"3500x2185 without maps / 700 pixels without maps: {high / bare:.2f} (goal 3); "
            f"peak {peak:.2f} GB (goal 4)"
        )


if __name__ == "__main__":
    main()
