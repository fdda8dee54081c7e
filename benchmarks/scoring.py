"""P(fake) of images by `Detector.scores`, against ONNX Runtime and PyTorch with the same weights.

As many threads on every side, batches of the same size, images as uint8 in memory; the other sides
scale and transpose each batch as whoever calls them would.
"""

from __future__ import annotations

import functools
import io
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.timing import Ratio, Row, Skipped, compare, line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras

SIDE, BATCH = 256, 32
# So that a round takes about a second on two cores.
IMAGES = {
    "mesonet": 256,
    "mesoinception": 128,
    "shallownet": 64,
    "efficientnet_b0": 64,
    "xception": 32,
}
_LARGEST_DIFFERENCE = 1e-5
_LAYOUT = (
    "ONNX Runtime keeps pictures in blocks of channels between its convolutions. Kept from that "
    "(its basic optimisations alone) it took 1.6 to 1.8 times as long as ours in a profile. Of our "
    "own time nine tenths in Xception and three quarters in ShallowNet were oneDNN's convolutions, "
    "of pictures with the channels last, as Keras has them; in EfficientNet these and its swish"
)
_WHY = dict.fromkeys(("shallownet", "efficientnet_b0", "xception"), _LAYOUT)


def measure(*, quick: bool = False, name: str = "mesonet") -> Iterator[Row]:
    """Time one architecture with random weights on every side that is installed."""
    from deepfake_generalize._system.processes import processors
    from deepfake_generalize.models import ARCHITECTURES, Detector

    count = max(IMAGES[name] // 8, 8) if quick else IMAGES[name]
    images = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    detector = Detector(ARCHITECTURES[name]())
    job = f"scores, {name}, {count} images at {SIDE}"
    sides: dict[str, Callable[..., Callable[[Any], Any]]] = {
        "ONNX Runtime": _onnxruntime,
        "PyTorch, eager": _pytorch,
        "PyTorch, eager, channels_last": functools.partial(_pytorch, channels_last=True),
    }
    for against, make in sides.items():
        try:
            run = make(detector.model, processors())
        except ImportError as error:
            yield Skipped(job, against, f"{error.name} is not installed")
            continue
        row = _row(job, against, detector, run, images, rounds=1 if quick else 7)
        yield row.explained(_WHY.get(name, ""))


def _row(
    job: str,
    against: str,
    detector: Any,
    run: Callable[[Any], Any],
    images: Any,
    *,
    rounds: int,
) -> Ratio:
    def theirs() -> Any:
        parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        return np.concatenate([run(_channels_first(part)) for part in parts])[:, 0]

    scores = detector.scores(images, batch_size=BATCH)
    difference = float(np.abs(theirs() - scores).max())
    if difference > _LARGEST_DIFFERENCE:
        raise ValueError(f"expected the same scores from {against}, they differ by {difference}.")
    return compare(
        job,
        against,
        ours=lambda: detector.scores(images, batch_size=BATCH),
        theirs=theirs,
        rounds=rounds,
        target=1.0,
        note=f"batches of {BATCH}, the same weights, scores equal to {difference:.0e}",
    )


def _channels_first(images: Any) -> Any:
    scaled = np.divide(images, np.float32(255), dtype=np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _pytorch(
    model: keras.Model, threads: int, *, channels_last: bool = False
) -> Callable[[Any], Any]:
    import torch

    from benchmarks.pytorch_networks import Twin

    torch.set_num_threads(threads)
    form = torch.channels_last if channels_last else torch.contiguous_format
    network = Twin(model).eval().to(memory_format=form)  # type: ignore[call-overload]

    def run(batch: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(batch).contiguous(memory_format=form)).numpy()

    return run


def _onnxruntime(model: keras.Model, threads: int) -> Callable[[Any], Any]:
    import onnxruntime
    import torch

    from benchmarks.pytorch_networks import Twin

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The exporter that needs no further package is an old one.
        torch.onnx.export(
            Twin(model).eval(),
            (torch.zeros(1, 3, SIDE, SIDE),),
            file,
            input_names=["images"],
            output_names=["classes"],
            dynamic_axes={"images": {0: "n"}, "classes": {0: "n"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: session.run(None, {"images": batch})[0]


if __name__ == "__main__":
    for architecture in IMAGES:
        for row in measure(quick="--quick" in sys.argv, name=architecture):
            print(line(row), flush=True)
