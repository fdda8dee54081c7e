"""Processes that end together."""

import os
import threading

from deepfake_generalize._system.processes import end_with_parent


def test_only_a_child_watches_its_parent():
    before = threading.active_count()
    end_with_parent(os.getpid())
    assert threading.active_count() == before
