"""How a time is written."""

from __future__ import annotations

from datetime import datetime, tzinfo


def moment(at: float, zone: tzinfo) -> str:
    """A time in seconds since 1970 as people of ``zone`` write it, to the minute.

    Raises:
        ValueError: it lies outside the years 1 to 9999.
    """
    try:
        return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"
    except (OverflowError, OSError) as error:
        raise ValueError(f"{at} is no time of our calendar") from error
