"""Self-blending: fakes made of reals alone, each a face blended with a changed copy of itself.

What is drawn (`draw`) is apart from what is done with it (`self_blended`, `blend`), which is pure.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from deepfake_generalize._system.files import absolute
from deepfake_generalize.data.crops import (
    CROP_COLUMNS,
    FAILURE_COLUMNS,
    read_crops,
    read_image,
    read_landmarks,
    write_crops,
    write_failures,
)
from deepfake_generalize.data.manifests import check_crops, with_columns
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import AnyArray, FloatArray, UInt8Array
from deepfake_generalize.validation import check_whole, describe

_JAW, _BROWS = range(17), range(17, 27)
_BELOW_NOSE = range(31, 36)
_FULL = ([*_JAW, *range(48, 68)], [*range(27, 31), 33], [0, 16, *_BROWS, 27, 33])
_COMPONENTS = (
    [*range(9), 17],
    [*range(8, 17), 26],
    [17, 18, 19, 8],
    [24, 25, 26, 8],
    [*range(19, 25), 8],
    [*range(17, 22), 27, *_BELOW_NOSE, 8],
    [*range(22, 27), 27, *_BELOW_NOSE, 8],
    [*range(27, 36)],
)
REGIONS = ("full", "components", "extended", "hull")
"""The authors' four, as indices of dlib's 68 points; "hull" is that of all points."""

# Those of MediaPipe's 468 points that lie where dlib's 68 do, and 13 along the forehead.
_OF_MESH = np.array(
    [
        *(127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356),
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
        *(168, 197, 5, 4, 98, 97, 2, 326, 327),
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
        *(162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389),
    ]
)
_NAMES = {68: "SBI", 81: "SBI", 468: "self-blend"}
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
_LEVELS = np.arange(256.0)[:, np.newaxis]
_PLATEAU = 1 - 1e-9
"""Of the largest value: what lies on the mask's plateau, but for rounding."""


class Draw(NamedTuple):
    """All that is drawn for one blend; the ranges are the authors'."""

    forehead: bool
    region: str
    changes_source: bool
    """Else the target, which is then the real image of the pair."""
    rgb: tuple[float, ...]
    hsv: tuple[float, ...]
    brightness: float
    contrast: float
    shrink: int
    """By this factor and back; 0 where it is sharpened instead, as by `sharpen`."""
    sharpen: tuple[float, ...]
    move: tuple[float, ...]
    """Of source and mask, in widths and heights."""
    scale: tuple[float, ...]
    elastic: int
    """Seed of the field that deforms the mask."""
    size: tuple[int, ...]
    kernels: tuple[int, ...]
    sigma: int
    ratio: float


class Blend(NamedTuple):
    """A pair, each (H, W, 3) uint8 RGB, and the weight (H, W) float32 of what was blended in."""

    real: UInt8Array
    fake: UInt8Array
    mask: FloatArray


def draw(rng: np.random.Generator) -> Draw:
    """Draw one blend."""

    def uniform(*most: float) -> tuple[float, ...]:
        return tuple(float(rng.uniform(-each, each)) for each in most)

    return Draw(
        forehead=rng.random() >= 0.25,
        region=REGIONS[rng.integers(len(REGIONS))],
        changes_source=rng.random() < 0.5,
        rgb=uniform(20, 20, 20) if rng.random() < 0.3 else (0.0, 0.0, 0.0),
        hsv=uniform(0.3, 0.3, 0.3),
        brightness=uniform(0.1)[0],
        contrast=uniform(0.1)[0],
        shrink=(2, 4)[rng.integers(2)] if rng.random() < 0.5 else 0,
        sharpen=(float(rng.uniform(0.2, 0.5)), float(rng.uniform(0.5, 1.0))),
        move=uniform(0.03, 0.015),
        scale=tuple(float(rng.uniform(0.95, 1 / 0.95)) for _ in range(2)),
        elastic=int(rng.integers(1 << 32)),
        size=tuple(rng.integers(192, 257, 2).tolist()),
        kernels=tuple((2 * rng.integers(2, 13, 2) + 1).tolist()),
        sigma=int(rng.integers(5, 46)),
        ratio=_RATIOS[rng.integers(len(_RATIOS))],
    )


def region_mask(points: AnyArray, region: str, size: tuple[int, int]) -> UInt8Array:
    """Return (height, width) uint8, 1 in a region of `REGIONS` of (68 or 81, 2) points, else 0."""
    points = np.array(points, np.float64)
    hulls = {"full": _FULL, "hull": ([*range(len(points))],)}.get(region, _COMPONENTS)
    if region == "extended":
        # Each brow is raised by half of its height above the eye, and above a quarter of the way
        # from the eye's outer corner to the jaw.
        outer = 0.75 * points[[36, 45]] + 0.25 * points[[0, 16]]
        below = np.concatenate([outer[:1], points[36:40], points[42:46], outer[1:]])
        points[17:27] += (points[17:27] - below) / 2
    mask = np.zeros(size, np.uint8)
    for hull in hulls:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points[hull]).astype(np.int32)), 1)
    return mask


def blend(
    image: UInt8Array,
    mask: UInt8Array,
    source: UInt8Array,
    *,
    size: tuple[int, ...],
    kernels: tuple[int, ...],
    sigma: float,
    ratio: float,
) -> tuple[UInt8Array, FloatArray]:
    """Blend a source into an image, both (H, W, 3) uint8, where a mask (H, W) is 1.

    The mask is resized to `size` (height, width), blurred by the first of two odd `kernels`, cut to
    its plateau, blurred by the second and `sigma`, scaled to `ratio` and resized back. Returned are
    the blend, uint8, and that weight of the source, (H, W) float32.
    """
    soft = cv2.resize(mask.astype(np.float64), (size[1], size[0]))
    soft = cv2.GaussianBlur(soft, (kernels[0], kernels[0]), 0)
    soft = (soft >= _PLATEAU * soft.max()).astype(np.float32)
    soft = cv2.GaussianBlur(soft, (kernels[1], kernels[1]), sigma)
    weight = cv2.resize(soft / soft.max(), (mask.shape[1], mask.shape[0])) * np.float32(ratio)
    mixed = weight[..., np.newaxis] * source + (1 - weight[..., np.newaxis]) * image
    return np.rint(mixed).astype(np.uint8), weight


def self_blended(image: UInt8Array, points: AnyArray, drawn: Draw) -> Blend:
    """Make a pair of one real (H, W, 3) uint8 RGB crop and its (68, 81 or 468, 2) points.

    `InputError` where no pixel lies in the region, as for points outside of the crop.
    """
    if not np.isfinite(points).all():
        raise InputError("expected landmarks of the crop, it has none.")
    points = points[_OF_MESH] if len(points) == 468 else points
    mask = region_mask(points if drawn.forehead else points[:68], drawn.region, image.shape[:2])
    changed = _changed(image, drawn)
    source, target = (changed, image) if drawn.changes_source else (image, changed)
    source, mask = _moved(source, mask, drawn)
    if not mask.any():
        raise InputError("expected landmarks inside of the crop, the region has no pixel.")
    fake, weight = blend(
        target, mask, source, size=drawn.size, kernels=drawn.kernels, sigma=drawn.sigma,
        ratio=drawn.ratio,
    )  # fmt: skip
    return Blend(target, fake, weight)


def _changed(image: UInt8Array, drawn: Draw) -> UInt8Array:
    image = _mapped(image, _LEVELS + drawn.rgb)
    shifted = _LEVELS + drawn.hsv
    shifted[:, 0] %= 180
    hsv = _mapped(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), shifted)
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    curve = _LEVELS * (1 + drawn.contrast) + 255 * drawn.brightness
    image = _mapped(image, np.repeat(curve, 3, axis=1))
    height, width = image.shape[:2]
    if drawn.shrink:
        small = (max(1, width // drawn.shrink), max(1, height // drawn.shrink))
        image = cv2.resize(image, small, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.resize(image, (width, height)), np.uint8)
    alpha, lightness = drawn.sharpen
    kernel = np.full((3, 3), -alpha)
    kernel[1, 1] = 1 - alpha + alpha * (8 + lightness)
    return np.asarray(cv2.filter2D(image, -1, kernel), np.uint8)


def _mapped(image: UInt8Array, curves: AnyArray) -> UInt8Array:
    """Map the levels of the three channels by (256, 3) curves."""
    table = np.clip(curves, 0, 255).astype(np.uint8)[np.newaxis]
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _moved(source: UInt8Array, mask: UInt8Array, drawn: Draw) -> tuple[UInt8Array, UInt8Array]:
    """Scale and shift source and mask together, and deform the mask."""
    height, width = mask.shape
    matrix = np.zeros((2, 3))
    for axis, side in enumerate((width, height)):
        matrix[axis, axis] = drawn.scale[axis]
        matrix[axis, 2] = (1 - drawn.scale[axis]) * (side - 1) / 2 + drawn.move[axis] * side
    size, beyond = (width, height), cv2.BORDER_REPLICATE
    source = np.asarray(cv2.warpAffine(source, matrix, size, borderMode=beyond), np.uint8)
    mask = np.asarray(cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST), np.uint8)
    noise = np.random.default_rng(drawn.elastic).uniform(-1, 1, (height, width, 2))
    field = 50 * cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 7)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([columns, rows], axis=-1) + field
    beyond = cv2.BORDER_REFLECT_101
    deformed = cv2.remap(mask, places, None, cv2.INTER_NEAREST, borderMode=beyond)
    return source, np.asarray(deformed, np.uint8)


def self_blend(
    crops: pd.DataFrame,
    out_dir: str | Path,
    *,
    landmarks: AnyArray | None = None,
    n_blends: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Make a training set of both classes from real crops alone, and write it into a folder.

    Each real crop gives pairs of a real and a fake image. A copy of the face, slightly changed in
    colour and sharpness, moved and scaled, is blended into it inside of a region of the face; in
    half of the pairs it is the image outside that is changed, and the pair's real image with it.
    So nothing but the blend tells the two apart.

    Source: Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022.

    Args:
        crops: Crops of reals, as `read_crops` returns them (label 0 in every row).
        out_dir: A new or empty folder for `real/*.png`, `fake/*.png`, `crops.csv` and, of the crops
            that gave no pair, `failures.csv`.
        landmarks: (N, K, 2), x to the right and y down, in pixels of each crop: 68 points in dlib's
            order, 81 (13 more along the forehead), or MediaPipe's 468; NaN where there are none.
            None: `data.read_landmarks(crops)`.
        n_blends: Pairs of each crop.
        seed: Of all that is drawn, which is drawn from it and a crop's pixels: neither the order of
            the crops nor what stands beside one matters.

    Returns:
        The table that `read_crops(out_dir)` reads: the crops' rows, a real and a fake of each pair.
        A fake has label 1, the crop's `target_identity`, no `source_identity`, and the method
        "SBI", or "self-blend" where the regions are made of 468 points.

    Raises:
        InputError: A crop that is not real, another number of points, no crop with landmarks, or a
            folder with something in it.

    Reproduction notes:
        Regions, ranges and chances are those of the authors' code. Not done here is what it does to
        both images of a pair alike: mirroring, the last colour changes and JPEG, the random margin;
        train with an augmentation. It draws anew in every epoch, here `n_blends` times. Where the
        moved copy ends inside the crop, its last pixels are repeated (there: black), and a blend is
        rounded (there: cut). Of 468 points, 81 that lie near dlib's stand for them.

    Examples:
        >>> import tempfile
        >>> rng = np.random.default_rng(0)
        >>> points = 40 + 20 * rng.uniform(-1, 1, (1, 68, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = cv2.imwrite(f"{folder}/a.png", rng.integers(0, 256, (80, 80, 3), np.uint8))
        ...     reals = pd.DataFrame({"path": [f"{folder}/a.png"], "label": [0]})
        ...     pairs = self_blend(reals, f"{folder}/pairs", landmarks=points)
        >>> pairs["label"].tolist(), pairs["method"].tolist()
        ([0, 1], ['real', 'SBI'])
    """
    check_crops(crops, ("path", "label"))
    if crops["label"].any():
        raise InputError(
            f"expected real crops alone (label 0), received {int(crops['label'].sum())} fakes.",
            hint='Pass crops[crops["label"] == 0].',
        )
    check_whole("n_blends", n_blends, least=1)
    check_whole("seed", seed, least=0)
    points = _check_landmarks(read_landmarks(crops) if landmarks is None else landmarks, len(crops))
    root = _new_folder(absolute(out_dir))  # Made with the first pair.
    method, pairs, failures = _NAMES[points.shape[1]], [], []
    rows = with_columns(crops, CROP_COLUMNS).to_dict("records")
    for number, (row, own) in enumerate(zip(rows, points, strict=True)):
        image = np.ascontiguousarray(read_image(row["path"]))
        try:
            made = [self_blended(image, own, drawn) for drawn in _draws(image, seed, n_blends)]
        except InputError as error:
            told = {"frame": row["frame"], "status": "no_landmarks", "reason": error.message}
            failures.append({"path": row["path"]} | told)
            continue
        for at, pair in enumerate(made):
            of_fake = {"label": 1, "method": method, "source_identity": pd.NA}
            for kind, pixels in (("real", pair.real), ("fake", pair.fake)):
                file = root / kind / f"{number:06d}-{at}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(cv2.imencode(".png", pixels[..., ::-1], _PNG)[1].tobytes())
                about = {"method": "real"} if kind == "real" else of_fake
                pairs.append(row | about | {"path": str(file)})
    columns = [*CROP_COLUMNS, *(name for name in rows[0] if name not in CROP_COLUMNS)]
    if not pairs:
        raise InputError("expected landmarks of at least one crop.", hint=failures[0]["reason"])
    write_failures(pd.DataFrame(failures, columns=list(FAILURE_COLUMNS)), root)
    write_crops(pd.DataFrame(pairs, columns=columns), root)
    return read_crops(root)


def _draws(image: UInt8Array, seed: int, count: int) -> list[Draw]:
    """Draw the blends of a picture, from a seed and its pixels."""
    pixels = zlib.crc32(image.data)
    return [draw(np.random.default_rng([seed, pixels, number])) for number in range(count)]


def _check_landmarks(landmarks: object, count: int) -> AnyArray:
    points = np.asarray(landmarks)
    shapes = {(count, number, 2) for number in _NAMES}
    if points.shape not in shapes or points.dtype.kind not in "iuf":
        raise InputError(
            f"expected landmarks ({count}, K, 2) of 68, 81 or 468 points, received "
            f"{describe(points)}.",
            hint="Use dlib's order, or aligner='landmarks' (docs: guides/self-blending).",
        )
    return points


def _new_folder(root: Path) -> Path:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"expected a new or empty folder at {str(root)!r}, there is something.",
            hint="Choose another out_dir, or remove what a run that was stopped left there.",
        )
    return root
