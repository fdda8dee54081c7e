"""Processes that end together: workers with who began them."""

from __future__ import annotations

import functools
import os
import threading
import time

_POLL_SECONDS = 0.5


@functools.cache
def end_with_parent(parent: int) -> None:
    """Let this process end soon after `parent`, where that is who began it; else do nothing.

    For workers of a pool, which else finish what they are at, for hours, when the process that
    waits for it was killed. What another scheduler began is for that to end.
    """
    if os.getppid() == parent:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
