"""The synthetic data as videos, in the layouts of FaceForensics++, DFD and Celeb-DF."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2

from deepfake_generalize._system.atomic_files import replacing, write_whole
from deepfake_generalize._system.paths import absolute
from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.data.synthetic.canvas import View
from deepfake_generalize.data.synthetic.marking import claim
from deepfake_generalize.data.synthetic.people import stream
from deepfake_generalize.data.synthetic.pictures import camera_of, footage, noise_of
from deepfake_generalize.data.synthetic.sets import (
    SETS,
    SPLITS,
    Sizes,
    Take,
    check_sizes,
    partner,
    people_of,
)
from deepfake_generalize.data.synthetic.shots import FPS, FRAMES_PER_CLIP
from deepfake_generalize.errors import InputError
from deepfake_generalize.types import UInt8Array
from deepfake_generalize.validation import check_whole

FACE_FORENSICS = "FaceForensics++"
CELEB_DF = ("Celeb-DF-v1", "Celeb-DF-v2")
_MIN_SIZE = 96
# Sides of the picture in face units: a face is somewhat less than half as high as the picture.
_PICTURE = 4.9
# With look-ahead x264 writes other bytes from run to run; without it, always the same.
_CODEC = {
    "crf": "23",
    "preset": "veryfast",
    "threads": "1",
    "x264-params": "no-mbtree=1:rc-lookahead=0",
}


def make_videos(
    out_dir: str | Path,
    *,
    per_split: int | Mapping[str, int],
    frames: int = 30,
    size: int = 256,
    seed: int = 0,
    n_jobs: int = 1,
) -> dict[str, Path]:
    """Write H.264 videos of the people of `make_datasets`, in the layouts of the real data sets.

    MediaPipe's finder finds the synthetic faces, so that `find_videos`, `extract_faces` and
    everything after them can be run. People, footage and forgeries are those of `make_datasets`
    with the same `seed` and `per_split`; as in FaceForensics++, every pair of its people has all
    four manipulations.

    Args:
        out_dir: Where the roots go, and `synthetic.json`, which marks all of it as synthetic. What
            is there already is kept.
        per_split: As for `make_datasets`; decides how many people there are.
        frames: Of each video, 1 to 300, spread over the twelve seconds of the footage.
        size: Side of the square picture in pixels: even, at least 96.
        seed: Of everything.
        n_jobs: Processes, as joblib counts them.

    Returns:
        "FaceForensics++" (with DFD, and the splits as JSON), "Celeb-DF-v1" and "Celeb-DF-v2" (with
        the list of testing videos) to their roots.

    Raises:
        InputError: A size or number that cannot be.
        DataMismatchError: The folder holds something else, or was made with other settings.

    Examples:
        >>> import tempfile
        >>> from deepfake_generalize.data import find_videos
        >>> few = {"train": 0, "val": 0, "test": 2}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     roots = make_videos(folder, per_split=few, frames=1, size=96)
        ...     videos = find_videos(roots["Celeb-DF-v2"])
        >>> videos[["method", "target_identity", "source_identity"]].iloc[2:].values.tolist()
        [['Celeb-synthesis', 'id400', 'id401'], ['Celeb-synthesis', 'id401', 'id400']]
    """
    sizes, root = check_sizes(per_split), absolute(out_dir)
    if check_whole("frames", frames, least=1) > FRAMES_PER_CLIP:
        raise InputError(
            f"expected frames to be at most {FRAMES_PER_CLIP}, received {frames}.",
            hint="The footage is twelve seconds long.",
        )
    if check_whole("size", size, least=_MIN_SIZE) % 2:
        raise InputError(
            f"expected size to be an even number, received {size}.", hint=f"Use {size + 1}."
        )
    seed = check_whole("seed", seed, least=0)
    claim(
        root,
        {"kind": "videos", "size": size, "frames": frames, "per_split": sizes, "seed": seed},
    )
    takes = [take for take in _takes(sizes) if not (root / path_of(take)).is_file()]
    _write_missing(root, takes, frames, size, seed, n_jobs)
    _write_lists(root, sizes)
    return {name: root / name for name in (FACE_FORENSICS, *CELEB_DF)}


def path_of(take: Take) -> str:
    """Return the path of a take's video below the folder of all roots."""
    return take.video if take.dataset in CELEB_DF else f"{FACE_FORENSICS}/{take.video}"


def _takes(sizes: Sizes) -> Iterator[Take]:
    """Name each video once; the frame is of no meaning."""
    seen = set()
    methods: dict[str, set[str]] = {}
    for plan in SETS.values():
        methods.setdefault(plan.dataset, set()).add(plan.method)
    for name, plan in SETS.items():
        if plan.method == "null":
            continue
        for split, group in plan.groups.items():
            if (plan.dataset, group) in seen:
                continue
            seen.add((plan.dataset, group))
            people = people_of(group, sizes)
            for number, who in enumerate(people):
                yield Take(name, split, plan.dataset, "real", who, None, 0)
                for method in sorted(methods[plan.dataset]):
                    yield Take(name, split, plan.dataset, method, who, partner(people, number), 0)


def _write_missing(
    root: Path, takes: list[Take], frames: int, size: int, seed: int, n_jobs: int
) -> None:
    import joblib

    for folder in {(root / path_of(take)).parent for take in takes}:
        folder.mkdir(parents=True, exist_ok=True)
    work = joblib.delayed(ending_with_parent(_write_video))
    joblib.Parallel(n_jobs=n_jobs)(work(root, take, frames, size, seed) for take in takes)


def _write_video(root: Path, take: Take, frames: int, size: int, seed: int) -> None:
    target = root / path_of(take)
    with replacing(target) as unfinished, av.open(str(unfinished), "w", format="mp4") as container:
        pace = Fraction(FPS) * frames / FRAMES_PER_CLIP
        video = container.add_stream("libx264", rate=pace, options=dict(_CODEC))
        video.width, video.height, video.pix_fmt = size, size, "yuv420p"
        for image in _film(take, frames, size, seed):
            # OpenCV's conversion gives the same bytes every time; FFmpeg's depends on alignment.
            planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)
            for packet in video.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")):
                container.mux(packet)
        for packet in video.encode():
            container.mux(packet)


def _film(take: Take, frames: int, size: int, seed: int) -> Iterator[UInt8Array]:
    rng = stream(seed, "frame", take.target)
    scale = size / _PICTURE * rng.uniform(0.9, 1.15)
    view = View(size, size, scale, size * rng.uniform(0.42, 0.58), size * rng.uniform(0.42, 0.5))
    camera = camera_of(take, seed)
    for number in range(frames):
        now = replace(take, frame=number * FRAMES_PER_CLIP // frames)
        yield camera.develop(footage(now, view, seed), noise_of(now, seed, "blotches"))


def _write_lists(root: Path, sizes: Sizes) -> None:
    pairs: dict[str, list[list[str]]] = {split: [] for split in SPLITS}
    testing: dict[str, list[str]] = {name: [] for name in CELEB_DF}
    for take in _takes(sizes):
        if take.dataset == "FF++" and not take.label and int(take.target) % 2 == 0:
            other = f"{int(take.target) + 1:03d}"
            pairs[take.split].append([take.target, other])
        if take.dataset in CELEB_DF and take.split == "test":
            inside = path_of(take).removeprefix(f"{take.dataset}/")
            testing[take.dataset].append(f"{1 - take.label} {inside}")
    splits = root / FACE_FORENSICS / "splits"
    splits.mkdir(parents=True, exist_ok=True)
    for split, content in pairs.items():
        write_whole(splits / f"{split}.json", json.dumps(content).encode())
    for name, lines in testing.items():
        (root / name).mkdir(exist_ok=True)
        text = "".join(f"{line}\n" for line in lines)
        write_whole(root / name / "List_of_testing_videos.txt", text.encode())
