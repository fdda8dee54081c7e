"""The command line, thin: each command is a few calls of the library."""

from deepfake_generalize.cli.app import main

__all__ = ["main"]
