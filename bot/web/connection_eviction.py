"""Which connection gives its place up when there are as many as there may be."""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

HONEST_SECONDS = 3.0
"""Seconds after which Feishu waits no longer for an answer."""

UNREAD_SECONDS = 1.0
"""Seconds in which an answer, of a few hundred bytes, is taken in by whoever reads it."""


class Connection(Protocol):
    """What the server knows of a connection; times are in seconds since 1970."""

    request: object | None
    """What was read of a request that is not whole yet."""
    requests: Sized
    """The requests that were read in whole and are not answered yet."""
    total_outbufs_len: int
    """Bytes of answers that were not taken in yet."""
    creation_time: float
    last_activity: float
    """When something was last read from it or taken in by it."""


def is_being_answered(connection: Connection, *, now: float) -> bool:
    """Whether a connection has one request that was read, or takes its answer in; it keeps its place.

    Neither Feishu nor a proxy sends a second request before the first was answered. The server's own timeout does not
    end a connection whose answers are not read.
    """
    if connection.requests:
        return len(connection.requests) == 1
    return bool(connection.total_outbufs_len) and connection.last_activity > now - UNREAD_SECONDS


def claim(connection: Connection, *, now: float) -> tuple[int, float]:
    """What any other connection's claim to its place is; the one with the lowest goes first."""
    if connection.requests or connection.total_outbufs_len:
        return 1, connection.creation_time
    since = _waits_since(connection)
    return 2 if since > now - HONEST_SECONDS else 0, since


def _waits_since(connection: Connection) -> float:
    """Since when a connection has brought no whole request; a byte now and then does not count."""
    return connection.creation_time if connection.request else connection.last_activity
