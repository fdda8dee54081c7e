"""One video in memory: its sampled frames, the face of its subject in each, the crops."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepfake_generalize.data.crops import read_image
from deepfake_generalize.data.faces.alignment import Aligner, align_crop, make_aligner
from deepfake_generalize.data.faces.finders import (
    LOW_SCORE,
    FaceFinder,
    MediaPipeFinder,
    check_finder,
)
from deepfake_generalize.data.faces.subject import (
    Subject,
    cut_area,
    find_subject,
    mask_of,
    read_masks,
)
from deepfake_generalize.data.layouts import looks_like
from deepfake_generalize.data.video import FrameBatch, sample_frames
from deepfake_generalize.errors import InputError, VideoError
from deepfake_generalize.types import DoubleArray, FloatArray, UInt8Array
from deepfake_generalize.validation import check_number, check_whole

_MAX_SIZE = 4096
"""Ten crops of this side are half a gigabyte; OpenCV cuts nothing of 32,768."""
_MAX_MARGIN = 20.0
FRAME_COLUMNS = ("frame", "status", "reason", "box", "score", "aligner", "flag", "faces")
"""Columns of `VideoCrops.frames`."""


class CropSettings(NamedTuple):
    """The side of a crop in pixels, and in sides of the face's box."""

    size: int
    margin: float


def crop_settings(size: object, margin: object) -> CropSettings:
    """Return how crops are cut; InputError for what makes no crop."""
    return CropSettings(
        check_whole("size", size, least=1, most=_MAX_SIZE, hint="256 is the default."),
        check_number(
            "margin", margin, above=0, most=_MAX_MARGIN, hint="1.3 face sides is the default."
        ),
    )


@dataclass(frozen=True, repr=False)
class VideoCrops:
    """The crops of one video, and what became of every sampled frame.

    Attributes:
        images: (N, size, size, 3) uint8 RGB: the frames whose status is "ok", in order of time.
        frames: One row a sampled frame: `frame` (its index), `status` ("ok", "no_face", "corrupt",
            "missing"), `reason` (NA where ok), `box` (text "left,top,right,bottom", pixels of the
            frame), `score`, `aligner`, `faces` (how many the frame shows), `flag` (NA, or words
            joined by ";": "low_score" under 0.7, "second_look" where the face was found by looking
            again, "damaged_video" where other frames could not be read, "other_faces" where the
            frame shows more than the subject's, "mask_subject" where the mask video of
            FaceForensics++ or DFD says which face is the subject, "mask_short", "mask_empty" or
            "mask_unreadable" where such a video ends early, marks nothing or cannot be read).
        note: What is wrong with the file; empty where nothing is.
        masks: (N, size, size) bool: where the pictures were manipulated, by the mask video of
            FaceForensics++ or DFD. None without such a video.
        landmarks: (N, 468, 2) float32, x to the right and y down, in pixels of the crop: the face
            mesh of MediaPipe; NaN where none was seen, None where no crop has any.
    """

    images: UInt8Array
    frames: pd.DataFrame
    note: str = ""
    masks: npt.NDArray[np.bool_] | None = None
    landmarks: FloatArray | None = None

    @property
    def coverage(self) -> float:
        """The fraction of the sampled frames that gave a crop."""
        return len(self.images) / len(self.frames) if len(self.frames) else 0.0

    def __repr__(self) -> str:
        """Say how many of the frames gave a crop."""
        size = self.images.shape[1]
        return f"VideoCrops({len(self.images)} of {len(self.frames)} frames, {size}x{size})"


def crop_video(
    path: str | os.PathLike[str],
    *,
    frames_per_video: int = 10,
    size: int = 256,
    margin: float = 1.3,
    finder: FaceFinder | None = None,
    aligner: str = "landmarks",
) -> VideoCrops:
    """Cut the subject's face out of evenly spaced frames of a video.

    Args:
        path: A local video file; or a picture that `read_image` reads, as a video of one frame.
        frames_per_video: Frames taken, at the centres of as many equal parts; all of a shorter
            video.
        size: Side of a crop in pixels.
        margin: Side of a crop in sides of the face's box.
        finder: What finds faces; it stays open. None: `MediaPipeFinder()`.
        aligner: Who finds the eyes: "landmarks", "short-range" or "finder".

    Returns:
        The crops, and a row for each sampled frame, also where none shows a face.

    Raises:
        VideoError: The file is missing or no video.
        MissingAssetError: A model file cannot be had.
        InputError: An argument out of range.

    Examples:
        >>> from deepfake_generalize.data import CascadeFinder
        >>> crop_video("no-such.mp4", finder=CascadeFinder(), aligner="finder")
        Traceback (most recent call last):
        ...
        deepfake_generalize.errors.VideoError: ...

    Reproduction notes:
        The paper crops and aligns faces with dlib through face_recognition and does not say how it
        aligns them; here MediaPipe's full-range network finds them, and eyes are made level.
    """
    settings = crop_settings(size, margin)
    count = check_frame_count(frames_per_video)
    check_finder(finder)
    with open_tools(finder, aligner) as (opened, aligning):
        return crop_opened(path, count, settings, opened, aligning)


def check_frame_count(value: object) -> int:
    """Return a number of frames; InputError if it is none."""
    return check_whole("frames_per_video", value, least=1, hint="The study takes 10.")


@contextlib.contextmanager
def open_tools(finder: FaceFinder | None, aligner: str) -> Iterator[tuple[FaceFinder, Aligner]]:
    """Open a finder (a given one stays the caller's to close) and the aligner of that name."""
    with contextlib.ExitStack() as stack:
        aligning = make_aligner(aligner)
        opened = stack.enter_context(MediaPipeFinder()) if finder is None else finder
        yield opened, stack.enter_context(aligning)


def crop_opened(
    path: str | os.PathLike[str],
    frames_per_video: int,
    settings: CropSettings,
    finder: FaceFinder,
    aligner: Aligner,
    cuts: list[tuple[UInt8Array, DoubleArray | None]] | None = None,
    within: str = "",
) -> VideoCrops:
    """Do the work of `crop_video` with tools that are already open.

    `cuts` gets the frame of every crop, and the matrix by which `cut_out` cuts it out. Frames are
    taken `within` some, as `sample_indices` does.
    """
    is_picture = looks_like(path, still=True) == "picture"
    batch = _one_frame(path) if is_picture else sample_frames(path, frames_per_video, within)
    mask = mask_of(path)
    masks = None if mask is None else read_masks(mask, batch.indices)
    subject = find_subject(batch.images, finder, None if masks is None else masks.areas)
    images, rows, areas, meshes = [], [], [], []
    for at, (image, face) in enumerate(zip(batch.images, subject.faces, strict=True)):
        row: dict[str, object] = {"frame": batch.indices[at], "status": batch.status[at]}
        rows.append(row)
        if image is None:
            row["reason"] = batch.note or f"the frame is {batch.status[at]}"
            continue
        row["faces"] = subject.counts[at]
        if face is None:
            row |= {"status": "no_face", "reason": _why_no_face(subject, at)}
            continue
        cut = align_crop(image, face, aligner, **settings._asdict())
        row["aligner"] = cut.named
        images.append(cut.image)
        meshes.append(cut.points)
        if cuts is not None:
            cuts.append((image, cut.matrix))
        if masks is not None:
            areas.append(cut_area(masks.areas[at], image, cut.matrix, settings.size))
        flags = {
            "low_score": face.score < LOW_SCORE,
            "second_look": subject.second_look[at],
            "damaged_video": any(status != "ok" for status in batch.status),
            "other_faces": subject.counts[at] > 1,
            "mask_subject": subject.by_mask,
            "" if masks is None else masks.note: True,
        }
        row |= {"box": ",".join(f"{value:.2f}" for value in face.box), "score": face.score}
        row["flag"] = ";".join(name for name, holds in flags.items() if holds and name) or None
    types = dict.fromkeys(FRAME_COLUMNS, "string")
    types |= {"frame": "Int64", "faces": "Int64", "score": "float64"}
    frames = pd.DataFrame(rows, columns=list(FRAME_COLUMNS)).astype(types)
    shape = (len(images), settings.size, settings.size, 3)
    marked = None if masks is None else np.array(areas, bool).reshape(shape[:3])
    pictures = np.array(images, np.uint8).reshape(shape)
    return VideoCrops(pictures, frames, batch.note, marked, _stacked(meshes))


def _stacked(meshes: Sequence[FloatArray | None]) -> FloatArray | None:
    """Return the points of all crops, NaN where one has none; None where none has any."""
    nothing = next((np.full_like(mesh, np.nan) for mesh in meshes if mesh is not None), None)
    if nothing is None:
        return None
    return np.stack([nothing if mesh is None else mesh for mesh in meshes])


def _one_frame(path: str | os.PathLike[str]) -> FrameBatch:
    """Read a picture as the only frame of a video."""
    try:
        image = read_image(os.fspath(path))
    except InputError as error:
        status = "error" if os.path.lexists(path) else "missing"
        raise VideoError(error.message, hint=error.hint, status=status) from error
    return FrameBatch((0,), [image], ["ok"], 1)


def _why_no_face(subject: Subject, at: int) -> str:
    n_faces = subject.counts[at]
    if n_faces == 0:
        return "no face found in this frame"
    who = "face that the mask marks" if subject.by_mask else "video's subject"
    faces = "the one face" if n_faces == 1 else f"among the {n_faces} faces"
    return f"the {who} is not {faces} of this frame"
