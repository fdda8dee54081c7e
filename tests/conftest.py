"""Fixtures that every room's tests share."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from deepfake_generalize import study

REPOSITORY = Path(__file__).resolve().parents[1]


def _shared_root() -> Path | None:
    named = os.environ.get("DEEPFAKE_GENERALIZE_TEST_DATA")
    candidates = [Path(named)] if named else [REPOSITORY.parent / "shared" / "data"]
    return next((path for path in candidates if path.is_dir()), None)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function from a path inside the shared test data to that path, or skip by name."""
    root = _shared_root()

    def locate(relative: str) -> Path:
        if root is None or not (root / relative).exists():
            pytest.skip(
                f"needs {relative} from the shared test data ($DEEPFAKE_GENERALIZE_TEST_DATA)"
            )
        return root / relative

    return locate


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Return a function that reads all below a folder: relative path to content, None a folder."""

    def read(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(Path(folder).rglob("*"))
        }

    return read


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Return a function that writes (H, W, 3) uint8 RGB frames to a real video file by PyAV."""
    import av

    def write(
        path: Path,
        frames: Sequence[np.ndarray],
        *,
        fps: int = 25,
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        options: dict[str, str] | None = None,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = frames[0].shape[:2]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps, options=options or {})
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.thread_count = (
                1  # Of so few frames, threads cost more than they do.
            )
            for array in frames:
                for packet in stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return path

    return write


class PartFinder:
    """Takes the same part of every frame for a face, so that only the video decides."""

    name = "part"

    def __init__(self, left, top, right, bottom):
        self.part = left, top, right, bottom

    def find(self, image):
        from deepfake_generalize.data import Face

        height, width = image.shape[:2]
        left, top, right, bottom = self.part
        return [Face((left * width, top * height, right * width, bottom * height), 0.9)]

    def close(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture(scope="session")
def part_finder():
    """Return a function that makes a finder of one part of the frame: of all, unless it is told."""

    def make(left=0.0, top=0.0, right=1.0, bottom=1.0):
        return PartFinder(left, top, right, bottom)

    return make


@pytest.fixture(scope="session")
def drawn_faces() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Return a function that renders faces and plants one of two artefacts in every second.

    `draw(artefact, identities)`: `grid`, a checkerboard on the skin; `smooth`, skin without pores;
    or None, nothing at all. An identity is a number; images of two numbers share no person. Gives
    ((N, size, size, 3) uint8 RGB, (N,) int64 labels), half of each person's images fake.
    """
    import cv2

    grid_levels, blur_px = 28.0, 2.0

    def person(identity: int, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        own = np.random.default_rng(identity)
        image = np.full((size, size, 3), own.uniform(40, 200, 3), np.float32)
        skin = np.float32([215, 170, 140]) * own.uniform(0.45, 1.1) + own.normal(0, 8, 3)
        centre, tilt = size / 2 + rng.normal(0, size / 40, 2), rng.normal(0, 6)
        axes = size * np.array([own.uniform(0.27, 0.33), own.uniform(0.36, 0.42)])

        def ellipse(on: np.ndarray, place: tuple, radii: tuple, colour: object) -> None:
            middle, sides = centre + axes * place, 2 * axes * radii
            values = tuple(float(value) for value in np.ravel(colour))
            cv2.ellipse(on, (tuple(middle), tuple(sides), tilt), values, -1, cv2.LINE_AA)

        mask = np.zeros((size, size), np.float32)
        ellipse(image, (0, -0.25), (1.2, 1.05), own.uniform(10, 140, 3))
        ellipse(image, (0, 0), (1, 1), skin)
        ellipse(mask, (0, 0), (1, 1), 1.0)
        gap, iris = own.uniform(0.36, 0.48), own.uniform(20, 120, 3)
        for side in (-gap, gap):
            ellipse(image, (side, -0.2), (0.2, 0.09), (235, 235, 235))
            ellipse(image, (side, -0.2), (0.09, 0.08), iris)
        ellipse(image, (0, 0.15), (0.1, 0.2), skin * 0.85)
        mouth = (own.uniform(0.25, 0.45), own.uniform(0.06, 0.14))
        ellipse(image, (0, 0.55), mouth, skin * (0.8, 0.5, 0.5))
        pores = cv2.GaussianBlur(rng.normal(0, 24, (size, size)).astype(np.float32), (0, 0), 1.0)
        light = 1 + rng.normal(0, 0.15) * np.linspace(-1, 1, size, dtype=np.float32)
        return image * light[None, :, None] + (pores * mask)[..., None], mask[..., None]

    def forge(face: np.ndarray, mask: np.ndarray, artefact: str | None) -> np.ndarray:
        if artefact is None:
            return face
        if artefact == "smooth":
            return face + mask * (cv2.GaussianBlur(face, (0, 0), blur_px) - face)
        square = np.arange(len(face)) % 4 < 2
        board = np.where(np.logical_xor.outer(square, square), grid_levels, -grid_levels)
        return face + mask * board[..., None]

    def draw(
        artefact: str | None, identities: Sequence[int], *, per_identity: int = 4, size: int = 72
    ) -> tuple[np.ndarray, np.ndarray]:
        images, labels = [], []
        for identity in identities:
            for number in range(per_identity):
                rng = np.random.default_rng([identity, number])
                face, mask = person(identity, rng, size)
                face = forge(face, mask, artefact if number % 2 else None)
                # The camera comes last, on real and fake alike.
                face = face * rng.normal(1, 0.05) + rng.normal(0, 3, face.shape)
                images.append(face.clip(0, 255).astype(np.uint8))
                labels.append(number % 2)
        return np.stack(images), np.asarray(labels)

    return draw


@pytest.fixture(scope="session")
def tiny_study() -> Callable[..., study.StudyConfig]:
    """A function that makes a study which learns nothing and passes through every step."""

    def make(architecture: str = "mesonet", epochs: int = 1) -> study.StudyConfig:
        schedule = study.Schedule(
            epochs=epochs,
            batch_size=16,
            fine_tuning_epochs=epochs,
            fine_tuning_batch_size=16,
        )
        sizes = study.Sizes(
            train=32, val=16, test=16, few_shot_original=16, few_shot_unseen=16, few_shot_val=8
        )
        return dataclasses.replace(
            study.StudyConfig.demo(quick=True, seed=5),
            name="tiny",
            architectures=(architecture,),
            sources=("CELEB",),
            threads=None,
            protocol=dataclasses.replace(study.PROTOCOLS["paper"], sizes=sizes),
            schedules={architecture: schedule},
            analysis=study.Analysis(
                heat_map_fakes=4, causal_images=8, resamples=100, controls=2, shuffled_controls=1
            ),
        )

    return make
