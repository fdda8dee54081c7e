"""What tests of the extraction run in other processes, which import it from here."""

import os
import time
from pathlib import Path

import numpy as np

from deepfake_generalize.data import Face, extract_faces


class BrightFinder:
    """Takes what is bright for a face: enough for the job's logic, and no model file.

    It can take a pause before each frame, and mark in a folder which processes opened it.
    """

    name = "bright"

    def __init__(self, pause=0.0, marks=None):
        self.pause = pause
        self.marks = marks

    def find(self, image):
        time.sleep(self.pause)
        rows, columns = np.nonzero(image[..., 0] > 128)
        if rows.size == 0:
            return []
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        return [Face(tuple(map(float, box)), 0.9 if image.max() > 200 else 0.6)]

    def close(self):
        pass

    def __enter__(self):
        if self.marks is not None:
            (self.marks / f"pid-{os.getpid()}").touch()
        return self

    def __exit__(self, *_):
        pass


class Tells:
    """Progress that tells another process when the work begins."""

    def __init__(self, event):
        self.event = event

    def __call__(self, *_):
        self.event.set()


class Halts:
    """Progress that stops after the first video until another process lets it go on."""

    def __init__(self, halted, go_on):
        self.halted = halted
        self.go_on = go_on

    def __call__(self, done, _total):
        if done == 1:
            self.halted.set()
            self.go_on.wait(600)


def memory_of(videos, out, choices, environment, report):
    """Extract alone, and tell the resident memory in MB after each video, or what went wrong."""
    os.environ.update(environment)
    try:
        report.put(_measured(videos, out, choices))
    except Exception as error:
        report.put(error)


def _measured(videos, out, choices):
    megabytes = []

    def note(*_):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        megabytes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    extract_faces(videos, out, progress=note, **choices)
    return megabytes
