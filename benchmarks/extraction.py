"""Videos in, face crops out: end to end, ten frames a video, start-up (imports, models) aside.

Against the paper's tool (face_recognition: every frame read, dlib's HOG on ten of them), against
decoding every frame and doing nothing else, and two processes against one. Run it as
`python -m benchmarks.extraction [--quick] [VIDEO ...]`; face_recognition takes twelve minutes to
build and wants setuptools < 81, so it may live in an environment of its own, with this repository
on its PYTHONPATH.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.clips import CLIPS_VARIABLE, find_clips, use_models_beside
from benchmarks.timing import Ratio, Row, Skipped, compare, interleave, line, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

_FRAMES = 10
_SIZE = 256
_MARGIN = 1.3
_TIMES_DECODING = 1.45
_SECONDS_OF_DECODING = 60.0
_CLIPS_A_WORKER = 12


def measure(*, quick: bool = False, videos: list[Path] | None = None) -> Iterator[Row]:
    """Time all clips on both sides; all rows are skipped without clips."""
    clips = videos or find_clips()
    if not clips:
        yield Skipped(
            f"{_FRAMES} aligned face crops a clip",
            "all",
            f"no clips; name videos in ${CLIPS_VARIABLE}",
        )
        return
    use_models_beside(clips)
    clips = clips[: 1 if quick else None]
    with tempfile.TemporaryDirectory() as folder:
        run = _Extractions(Path(folder))
        run.extract(clips[:1], n_jobs=1)
        yield _against_the_papers_tool(run, clips, quick)
        seconds = interleave(
            {
                "ours": lambda: run.extract(clips, n_jobs=1),
                "every": lambda: [_decode(clip) for clip in clips],
                "ten": lambda: _sample(clips),
            },
            rounds=2 if quick else 3,
        )
        yield summarise(
            _job(clips),
            "decoding every frame (PyAV, one thread) and doing nothing else",
            seconds["ours"],
            seconds["every"],
            target=1.0,
        )
        ten_s = statistics.median(seconds["ten"])
        yield summarise(
            _job(clips),
            f"its budget, {_TIMES_DECODING} times the seconds of decoding the ten frames alone",
            seconds["ours"],
            [_TIMES_DECODING * value for value in seconds["ten"]],
            target=1.0,
            limit="decoding the ten frames alone",
            limit_s=ten_s,
        )
        yield _two_against_one(run, clips, ten_s, quick)


class _Extractions:
    """Every extraction goes to a folder of its own: a finished one would have nothing to do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()

    def extract(self, clips: Sequence[Path], *, n_jobs: int) -> int:
        from deepfake_generalize.data import extract_faces

        out = self.folder / f"out-{next(self._numbers)}"
        return len(extract_faces(_manifest(clips), out, n_jobs=n_jobs).crops)

    def repeated(self, clips: Sequence[Path], times: int) -> list[Path]:
        links = []
        for number, clip in itertools.product(range(times), clips):
            link = self.folder / f"{number:04}-{len(links):04}{clip.suffix}"
            link.symlink_to(clip.resolve())
            links.append(link)
        return links


def _manifest(clips: Sequence[Path]) -> pd.DataFrame:
    import pandas as pd

    from deepfake_generalize.data import VIDEO_COLUMNS

    row = dict.fromkeys(VIDEO_COLUMNS, pd.NA) | {"dataset": "clips", "method": "real", "label": 0}
    return pd.DataFrame([row | {"path": str(clip)} for clip in clips])


def _job(clips: Sequence[Path]) -> str:
    return f"{_FRAMES} aligned face crops of each of {len(clips)} clips, one process"


def _against_the_papers_tool(run: _Extractions, clips: list[Path], quick: bool) -> Row:
    against = "every frame read by OpenCV, face_recognition on ten"
    try:
        import face_recognition
    except ImportError:
        return Skipped(_job(clips), against, "face_recognition is not installed")

    def theirs() -> None:
        for number, clip in enumerate(clips):
            _study(clip, run.folder / f"study-{number}", face_recognition.face_locations)

    return compare(
        _job(clips),
        against,
        ours=lambda: run.extract(clips, n_jobs=1),
        theirs=theirs,
        rounds=1 if quick else 2,
        target=12.0,
        note="library defaults; its crops are not aligned here, as the paper's are; the dlib that "
        "pip builds takes about twice the time of the prebuilt dlib-bin for a frame",
    )


def _study(clip: Path, out: Path, find: Callable[..., list[tuple[int, int, int, int]]]) -> None:
    """Do what the literature's scripts do: read all, take ten, find, cut, resize, write."""
    import cv2
    import numpy as np

    out.mkdir(exist_ok=True)
    capture = cv2.VideoCapture(str(clip))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted = set(np.linspace(0, count - 1, _FRAMES).astype(int).tolist())
    for index in itertools.count():
        read, frame = capture.read()
        if not read:
            break
        if index not in wanted:
            continue
        found = find(np.ascontiguousarray(frame[:, :, ::-1]))
        for top, right, bottom, left in found[:1]:
            spare = int((bottom - top) * (_MARGIN - 1) / 2)
            rows = slice(max(top - spare, 0), bottom + spare)
            crop = frame[rows, max(left - spare, 0) : right + spare]
            cv2.imwrite(str(out / f"{index}.png"), cv2.resize(crop, (_SIZE, _SIZE)))
    capture.release()


def _sample(clips: Sequence[Path]) -> None:
    from deepfake_generalize.data.video import sample_frames

    for clip in clips:
        sample_frames(clip, _FRAMES)


def _decode(clip: Path) -> int:
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def _decode_in_two(links: Sequence[Path]) -> None:
    from joblib import Parallel, delayed

    Parallel(n_jobs=2)(delayed(_sample)([link]) for link in links)


def _two_against_one(run: _Extractions, clips: list[Path], decoding_s: float, quick: bool) -> Ratio:
    seconds = _SECONDS_OF_DECODING / 6 if quick else _SECONDS_OF_DECODING
    # Each worker needs many of them, else the last one decides.
    least = 2 * _CLIPS_A_WORKER / len(clips)
    times = math.ceil(max(seconds / decoding_s, least))
    links = run.repeated(clips, times)
    run.extract(links[:8], n_jobs=2)  # The workers stay for the next call.
    _decode_in_two(links[:8])
    row = compare(
        f"{_FRAMES} aligned face crops of each of {len(links)} clips (repeated), two processes",
        "the same with one process",
        ours=lambda: run.extract(links, n_jobs=2),
        theirs=lambda: run.extract(links, n_jobs=1),
        rounds=1 if quick else 2,
        target=1.7,
        note="workers started before",
        limit=("decoding the ten frames alone, in two processes", lambda: _decode_in_two(links)),
    )
    share = times * decoding_s / (row.limit_s or math.inf)
    return row.explained(f"two processes that only decode are {share:.2f} times as fast as one")


if __name__ == "__main__":
    named = [Path(name) for name in sys.argv[1:] if name != "--quick"]
    for row in measure(quick="--quick" in sys.argv, videos=named or None):
        print(line(row))
