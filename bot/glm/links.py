"""When the link to a picture ends.

The platform documents 30 days; the links that it signs carry their own end, which in public samples was 24 hours or
7 days after the call.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit


def link_end(url: str) -> float | None:
    """The end that a signed link carries in ``Expires=``, in seconds since 1970, or ``None`` where it carries none."""
    try:
        ends = parse_qs(urlsplit(url).query).get("Expires", [""])[-1]
    except ValueError:
        return None
    # Ten digits reach the year 2286; more, or none, is not a time.
    return float(ends) if ends.isascii() and ends.isdigit() and len(ends) == len("1786990028") else None
