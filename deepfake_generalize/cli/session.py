"""What the global options say, for every command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepfake_generalize.cli import console

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import typer


@dataclass
class Session:
    """What the global options say.

    Attributes:
        debug: Whether to show tracebacks, and what native libraries log.
        command: The command that runs, as click describes it; None before there is one.
    """

    debug: bool = False
    command: Any = None


def quiet(context: typer.Context) -> AbstractContextManager[None]:
    """Hold back what native libraries log, unless `--debug` asks for it."""
    session = context.find_object(Session) or Session()
    return console.quiet_native_libraries(enabled=not session.debug)
