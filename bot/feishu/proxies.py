"""Which hosts are called through a proxy: the one that the environment names, for both kinds of connection."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.errors import SettingsError


def proxy_for(host: str) -> str | None:
    """The proxy for encrypted connections to a host; ``None`` where there is none between.

    ``HTTPS_PROXY`` comes before ``ALL_PROXY``, and ``NO_PROXY`` names the hosts that are called directly. The libraries
    are not left to look themselves: httpx fails on a network in ``NO_PROXY``, websockets does not know ``ALL_PROXY``,
    and each fails on its own kind of proxy that it cannot use.

    Raises:
        SettingsError: what is named is no HTTP proxy.
    """
    # A proxy cannot reach a stand-in on this machine.
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    for scheme in ("https", "all"):
        if given := proxies.get(scheme):
            return _checked(given, variable=_variable(f"{scheme}_proxy"), host=host)
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where nothing needs to be encrypted."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(given: str, *, variable: str, host: str) -> str:
    proxy = given if "://" in given else f"http://{given}"
    if not _is_usable(proxy):
        expected = "must be http://host:port or http://name:password@host:port; a SOCKS proxy cannot be used"
        raise SettingsError([f"{variable}: {expected}. Correct it, unset it, or pass it by with NO_PROXY={host}"])
    return proxy


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        # A port that is no number raises when it is read.
        there = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    bare = not (parts.path.strip("/") or parts.query or parts.fragment)
    whole = (parts.username is None) == (parts.password is None)
    return there and bare and whole and parts.scheme in {"http", "https"}


def _variable(name: str) -> str:
    # Where both are set, the lower-case name counts.
    return name if name in os.environ else name.upper()
