"""What a link to a picture tells before it is followed."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx

from bot.errors import DownloadFailed


def https_address(url: str) -> httpx.URL:
    """The address that a link leads to, as the download reads it.

    Raises:
        DownloadFailed: it is no URL, is not https, or carries a user's name.
    """
    try:
        address = httpx.URL(url)
        # The host is decoded when it is read, and may turn out not to be a name.
        good = address.scheme == "https" and address.host and not address.userinfo
    except (httpx.InvalidURL, UnicodeError) as error:
        raise DownloadFailed("the link is not a URL", permanent=True) from error
    if not good:
        raise DownloadFailed("the link is not an https address", permanent=True)
    return address


def link_expires_at(url: str) -> float | None:
    """The end that a signed link carries in ``Expires=``, in seconds since 1970, or ``None`` where it carries none.

    The platform documents 30 days; the links that it signs carry their own end, which in public samples was 24 hours
    or 7 days after the call.
    """
    try:
        ends = parse_qs(urlsplit(url).query).get("Expires", [""])[-1]
    except ValueError:
        return None
    # Ten digits reach the year 2286; more, or none, is not a time.
    return float(ends) if ends.isascii() and ends.isdigit() and len(ends) == len("1786990028") else None
