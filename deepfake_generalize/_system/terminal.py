"""Text from files, names above all, as a terminal may be shown it."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Show by its code whatever is no sign: what would steer a terminal, or turn a line round.

    Examples:
        >>> visible("a\x1b[2Jb\r\u202e\udcff é")
        'a\\x1b[2Jb\\r\\u202e\\udcff é'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
