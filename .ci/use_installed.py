"""Use the installed wheel as a stranger would: no checkout in sight, no TensorFlow on import."""

import importlib.resources
import sys
from pathlib import Path

import deepfake_generalize as dg


def main() -> None:
    """Raise if anything that a wheel must carry is missing."""
    here = Path(dg.__file__).resolve()
    if "site-packages" not in here.parts:
        raise SystemExit(f"imported a checkout instead of the wheel: {here}")
    if "tensorflow" in sys.modules:
        raise SystemExit("importing the package loaded TensorFlow")
    if not (importlib.resources.files("deepfake_generalize") / "py.typed").is_file():
        raise SystemExit("the wheel has no py.typed")
    table = dg.study.published("V")
    if len(table) != 30:
        raise SystemExit(f"the wheel's published tables are incomplete: {len(table)} rows")
    detector = dg.models.Detector(dg.models.mesonet((64, 64, 3)), name="untrained")
    print(detector)


if __name__ == "__main__":
    main()
