"""The TLS settings that all clients of the stand-ins share."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def shared_tls() -> ssl.SSLContext:
    """The usual settings, made once a process: each time they are made, 20 ms go into reading the authorities."""
    return httpx.create_ssl_context(trust_env=False)
