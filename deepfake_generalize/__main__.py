"""`python -m deepfake_generalize`: the command line."""

from deepfake_generalize.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
