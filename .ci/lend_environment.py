"""Make an environment in a second, in which all is installed that another has: `FROM TO`.

What is installed into it hides what it was lent, which never changes.
"""

import os
import sys
import venv
from pathlib import Path


def lend(source: Path, target: Path) -> None:
    """Make `target` see the libraries of `source`, and give it their programs."""
    source, target = source.resolve(), target.absolute()
    venv.create(target, symlinks=True)
    (libraries,) = (source / "lib").glob("python*/site-packages")
    within = target / libraries.relative_to(source)
    (within / "lent.pth").write_text(f"{libraries}\n", encoding="utf-8")
    for program in (source / "bin").iterdir():
        own = target / "bin" / program.name
        if program.is_file() and not own.exists():
            content = program.read_bytes()
            own.write_bytes(content.replace(os.fsencode(source), os.fsencode(target)))
            own.chmod(0o755)


if __name__ == "__main__":
    lend(*map(Path, sys.argv[1:]))
