"""What `python -m benchmarks` measures, each in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Benchmark:
    """One process of a run.

    Attributes:
        name: What `--only` calls it.
        module: Where its function is.
        function: Takes `quick=` and `options`; returns or yields rows.
        options: Further keyword arguments.
        limit_s: Seconds after which it is stopped; the rows it has made by then are kept.
    """

    name: str
    module: str
    function: str = "measure"
    options: dict[str, str] = field(default_factory=dict)
    limit_s: float = 1200.0


def _training(architecture: str) -> Benchmark:
    return Benchmark(
        f"training-{architecture}", "benchmarks.training", options={"name": architecture}
    )


def _scoring(architecture: str) -> Benchmark:
    return Benchmark(
        f"scoring-{architecture}", "benchmarks.scoring", options={"name": architecture}
    )


BENCHMARKS: tuple[Benchmark, ...] = (
    _scoring("mesonet"),
    _scoring("mesoinception"),
    _scoring("shallownet"),
    _scoring("efficientnet_b0"),
    _scoring("xception"),
    Benchmark("grad_cam", "benchmarks.grad_cam"),
    Benchmark("ssim", "benchmarks.ssim"),
    Benchmark("causal", "benchmarks.causal"),
    Benchmark("torch", "benchmarks.torch_modules"),
    Benchmark("transfer-mesonet", "benchmarks.transfer", options={"name": "mesonet"}),
    Benchmark("transfer-xception", "benchmarks.transfer", options={"name": "xception"}),
    Benchmark("batches", "benchmarks.batches"),
    Benchmark("extraction", "benchmarks.extraction"),
    Benchmark("decoding", "benchmarks.decoding"),
    Benchmark("import", "benchmarks.importing"),
    Benchmark("metrics", "benchmarks.metrics"),
    Benchmark("scale", "benchmarks.scale"),
    Benchmark("perturbing", "benchmarks.perturbing"),
    _training("mesonet"),
    _training("mesoinception"),
    _training("shallownet"),
    _training("xception"),
    _training("efficientnet_b0"),
)
