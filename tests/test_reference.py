"""The pages of the reference name everything by the path that a user imports it from."""

import importlib
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ENTRY = re.compile(r"^::: (\S+)\n    options:\n      heading: (\S+)$", re.M)
PAGES = sorted((REPOSITORY / "docs" / "reference").glob("*.md"))
ENTRIES = [found for page in PAGES for found in ENTRY.findall(page.read_text(encoding="utf-8"))]


def is_a_module_too(public: str) -> bool:
    """Say whether a module has this path too: the site's reader of sources prefers it."""
    path = REPOSITORY / public.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize(("path", "heading"), ENTRIES, ids=[heading for _, heading in ENTRIES])
def test_an_entry_is_the_public_name(path: str, heading: str) -> None:
    public = f"deepfake_generalize.{heading}"
    room, _, name = public.rpartition(".")
    if path == public:
        importlib.import_module(room)
        return
    assert is_a_module_too(public), f"write ::: {public}"
    home, _, inner = path.rpartition(".")
    assert inner == name
    of_home = getattr(importlib.import_module(home), inner)
    assert getattr(importlib.import_module(room), name) is of_home


def test_an_entry_stands_on_one_page_only() -> None:
    paths = [
        path for page in PAGES for path in re.findall(r"^::: (\S+)", page.read_text("utf-8"), re.M)
    ]
    assert len(paths) > 80
    assert len(paths) == len(set(paths))
