"""Make the study's sets: crops on disk, their manifests, their splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import pandas as pd

from deepfake_generalize._system.files import absolute, write_whole
from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.data.crops import CROP_COLUMNS, CROPS_FILE, write_crops, write_landmarks
from deepfake_generalize.data.manifests import restore_types
from deepfake_generalize.data.splits import Splits, assemble
from deepfake_generalize.data.synthetic.marking import MARK_COLUMN, claim
from deepfake_generalize.data.synthetic.pictures import landmarks, picture
from deepfake_generalize.data.synthetic.sets import SETS, Take, check_sizes, plan_takes
from deepfake_generalize.validation import check_whole

_MIN_SIZE = 16
_CHUNK = 64


def make_datasets(
    out_dir: str | Path,
    *,
    size: int = 72,
    per_split: int | Mapping[str, int],
    seed: int = 0,
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Splits]:
    """Make the study's nine data sets and the null set of synthetic faces.

    People are shared or disjoint as in the study: CELEB on C1, C2, C3; F2F on P1, P2, P3; FS and
    NT on Q1 (train and val, other people in each) and Q2 (test); DF on Q2; DFD on its own actors;
    CELEB-M on new people; FS-I and NT-I on the people of F2F's training part, in other frames.
    NULL, on people of its own, has "fakes" in which nothing was changed.

    Args:
        out_dir: Where the crops go: `SET/split/{real,fake}/*.png`, a `crops.csv` and 68 landmarks
            a face (`data.read_landmarks`; exact, in dlib's order) a set, and `synthetic.json`,
            which marks all of it as synthetic. What is there already is kept.
        size: Side of a crop in pixels, at least 16.
        per_split: Images of each split, half real: one number, or one for each of train, val, test.
            DF, DFD, CELEB-M, FS-I, NT-I and NULL have a test split only.
        seed: Of everything; the same seed gives the same pixels whatever `n_jobs`.
        n_jobs: Processes, as joblib counts them.
        progress: Called with (done, total) pictures of those that are missing.

    Returns:
        Name of the set to its splits, whose tables have the columns `CROP_COLUMNS` and
        `synthetic` ("true"); the videos they name do not exist. "NULL" comes last.

    Raises:
        InputError: A size or number that cannot be.
        DataMismatchError: The folder holds something else, or was made with other settings.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sets = make_datasets(folder, size=16, per_split=4)
        >>> list(sets)
        ['CELEB', 'F2F', 'FS', 'NT', 'DF', 'DFD', 'CELEB-M', 'FS-I', 'NT-I', 'NULL']
        >>> len(sets["F2F"].train), sets["FS-I"].test["target_identity"].tolist()
        (4, ['000', '000', '001', '001'])
    """
    sizes, root = check_sizes(per_split), absolute(out_dir)
    check_whole("size", size, least=_MIN_SIZE)
    seed = check_whole("seed", seed, least=0)
    plans = {name: plan_takes(name, sizes) for name in SETS}
    claim(root, {"kind": "crops", "size": size, "per_split": sizes, "seed": seed})
    missing = [
        take for takes in plans.values() for take in takes if not _file(root, take).is_file()
    ]
    say = progress or (lambda _done, _total: None)
    _render_missing(root, missing, size, seed, n_jobs, say)
    return {name: _finish(root, name, takes, size, seed) for name, takes in plans.items()}


def _file(root: Path, take: Take) -> Path:
    name = f"{take.stem}_f{take.frame:03d}.png"
    return root / take.set / take.split / ("fake" if take.label else "real") / name


def _render_missing(
    root: Path,
    takes: Sequence[Take],
    size: int,
    seed: int,
    n_jobs: int,
    say: Callable[[int, int], None],
) -> None:
    import joblib

    for folder in {_file(root, take).parent for take in takes}:
        folder.mkdir(parents=True, exist_ok=True)
    n_chunks = math.ceil(len(takes) / _CHUNK)
    chunks = [takes[number::n_chunks] for number in range(n_chunks)]
    work, done = joblib.delayed(ending_with_parent(_render_all)), 0
    pool = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for made in pool(work(root, chunk, size, seed) for chunk in chunks):
        done += made
        say(done, len(takes))


def _render_all(root: Path, takes: Sequence[Take], size: int, seed: int) -> int:
    for take in takes:
        pixels = cv2.cvtColor(picture(take, size, seed), cv2.COLOR_RGB2BGR)
        _, content = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        write_whole(_file(root, take), content.tobytes())
    return len(takes)


def _finish(root: Path, name: str, takes: Sequence[Take], size: int, seed: int) -> Splits:
    rows = [
        {
            "path": str(_file(root, take)),
            "video": str(root / "videos" / take.video),
            "frame": take.frame,
            "dataset": take.dataset,
            "method": take.method,
            "label": take.label,
            "target_identity": take.target,
            "source_identity": take.source,
            "split": take.split,
            "score": float("nan"),
            MARK_COLUMN: "true",
        }
        for take in takes
    ]
    columns = [*CROP_COLUMNS, MARK_COLUMN]
    crops = restore_types(pd.DataFrame(rows).reindex(columns=columns), columns)
    if not (root / name / CROPS_FILE).is_file():
        if takes:
            files = (_file(root, take).relative_to(root / name).as_posix() for take in takes)
            points = (landmarks(take, size, seed) for take in takes)
            write_landmarks(root / name, dict(zip(files, points, strict=True)))
        write_crops(crops, root / name)
    nothing = pd.Series(pd.NA, index=crops.index, dtype="string")
    return assemble(crops, crops["split"], nothing)
