"""Print the shell block of README.md that stands under `<!-- command: NAME -->`."""

import re
import sys
from pathlib import Path


def readme_command(name: str) -> str:
    """Return the block exactly as a reader would paste it."""
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- command: {re.escape(name)} -->\s*```bash\n(.*?)```", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no block under <!-- command: {name} -->")
    return found.group(1)


if __name__ == "__main__":
    sys.stdout.write(readme_command(sys.argv[1]))
