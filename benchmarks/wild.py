"""Whose crops are they? Forty-eight clips as they are met in the wild, whose truth is known.

People who walk, cameras that pan, two people, cuts, windows in a frame, clips cut to the face: made
at run time from the photographs and clips of the shared test data, each person pasted with the box
of the own face, encoded, and given to `crop_video`. A sampled frame is right where the crop is of
the clip's subject, or where the subject is not seen and there is none. The subject is who was
cropped most often, among those whom the clip allows.

Run it as `python -m benchmarks.wild [--quick] [--sheet FOLDER]`; it exits with 1 where fewer than
95 % of the frames are right, or a crop shows a second person.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from benchmarks.clips import find_clips, use_models_beside
from benchmarks.wild_clips import FRAMES, Clip, make_clips, write_clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deepfake_generalize.data import FaceFinder, VideoCrops

TARGET = 0.95
_SAME_PLACE = 0.3


@dataclass(frozen=True)
class Verdict:
    """What became of one clip.

    Attributes:
        kind: Of the clip, as `wild_clips` names it.
        name: Of the clip.
        right: Frames that are right, of ten.
        strangers: Crops that show somebody else than the subject, or nobody.
        told: A letter a frame: "." right, "m" missed, "x" a second person, "n" nobody.
    """

    kind: str
    name: str
    right: int
    strangers: int
    told: str


def judge(clip: Clip, crops: VideoCrops) -> Verdict:
    """Compare the crops of a clip with the places where its people's faces are."""
    shown = [_who(clip, at, box) for at, box in enumerate(crops.frames["box"])]
    often = Counter(who for who in shown if who in clip.subjects)
    subject = often.most_common(1)[0][0] if often else clip.subjects[0]
    told = ""
    for at, who in enumerate(shown):
        wanted = subject if subject in clip.faces[at] else None
        if who == wanted:
            told += "."
        else:
            told += "m" if who is None else "n" if who == "nobody" else "x"
    strangers = told.count("x") + told.count("n")
    return Verdict(clip.kind, clip.name, told.count("."), strangers, told)


def _who(clip: Clip, at: int, box: object) -> str | None:
    if not isinstance(box, str):
        return None
    x0, y0, x1, y1 = (float(value) for value in box.split(","))
    for who, (a0, b0, a1, b1) in clip.faces[at].items():
        wide, high = min(x1, a1) - max(x0, a0), min(y1, b1) - max(y0, b0)
        both = max(wide, 0.0) * max(high, 0.0)
        if both / ((x1 - x0) * (y1 - y0) + (a1 - a0) * (b1 - b0) - both) >= _SAME_PLACE:
            return who
    return "nobody"


def measure(
    data: Path, finder: FaceFinder, *, quick: bool = False, sheet: Path | None = None
) -> Iterator[Verdict]:
    """Make the clips from a folder of the shared test data, and judge what is cropped of each.

    `quick` takes the first two of each kind; crops are drawn into `sheet`, a picture a clip.
    """
    from deepfake_generalize.data import crop_video

    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for clip in make_clips(data, finder):
            seen[clip.kind] += 1
            if quick and seen[clip.kind] > 2:
                continue
            path = write_clip(clip, Path(folder) / f"{clip.kind}-{clip.name}.mp4")
            crops = crop_video(path, frames_per_video=FRAMES, finder=finder, aligner="finder")
            if sheet is not None and len(crops.images):
                row = cv2.hconcat([cv2.resize(image, (128, 128)) for image in crops.images])
                cv2.imwrite(str(sheet / f"{path.stem}.png"), row[..., ::-1])
            yield judge(clip, crops)
            path.unlink()


def summary(verdicts: Sequence[Verdict]) -> tuple[float, int]:
    """Return the share of sampled frames that are right, and the crops of strangers."""
    right = sum(verdict.right for verdict in verdicts)
    return right / (FRAMES * len(verdicts)), sum(verdict.strangers for verdict in verdicts)


def main(arguments: Sequence[str]) -> int:
    """Print a line a clip and the summary; return the exit code."""
    from deepfake_generalize.data import MediaPipeFinder

    clips = find_clips()
    shared = [folder for clip in clips for folder in clip.parents if (folder / "photos").is_dir()]
    if not shared:
        print("the shared test data are not here")
        return 1
    use_models_beside(clips)
    sheet = Path(arguments[arguments.index("--sheet") + 1]) if "--sheet" in arguments else None
    verdicts = []
    with MediaPipeFinder() as finder:
        for verdict in measure(shared[0], finder, quick="--quick" in arguments, sheet=sheet):
            print(f"{verdict.kind:9} {verdict.name:24} {verdict.told}", flush=True)
            verdicts.append(verdict)
    for kind in dict.fromkeys(verdict.kind for verdict in verdicts):
        share, strangers = summary([verdict for verdict in verdicts if verdict.kind == kind])
        print(f"{kind:9} {share:7.1%} right, {strangers} of strangers")
    share, strangers = summary(verdicts)
    print(f"{len(verdicts)} clips {share:7.1%} right, {strangers} of strangers")
    return int(share < TARGET or strangers > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
