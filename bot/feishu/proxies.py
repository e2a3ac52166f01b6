"""The proxy that the environment names, for HTTP and for the long connection."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bot.errors import SettingsError


def proxy_for(host: str) -> str | None:
    """The proxy for encrypted connections to a host, ``None`` for a direct connection.

    ``HTTPS_PROXY`` takes precedence over ``ALL_PROXY``, and ``NO_PROXY`` names the hosts that are called directly. The
    libraries do not read these themselves: httpx fails on a network in ``NO_PROXY``, websockets does not know
    ``ALL_PROXY``, and each fails on its own kind of proxy that it cannot use.

    Raises:
        SettingsError: what is named is no HTTP proxy.
    """
    # A proxy cannot reach a stand-in on this machine.
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    for name in ("https_proxy", "all_proxy"):
        if given := proxies.get(name.removesuffix("_proxy")):
            proxy = given if "://" in given else f"http://{given}"
            if _is_usable(proxy):
                return proxy
            # Where both are set, the lower-case name counts.
            variable = name if name in os.environ else name.upper()
            expected = "must be http://host:port or http://name:password@host:port; a SOCKS proxy cannot be used"
            raise SettingsError([f"{variable}: {expected}. Correct it, unset it, or pass it by with NO_PROXY={host}"])
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, where nothing needs to be encrypted."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        # A port that is no number raises when it is read.
        return (
            bool(parts.hostname)
            and parts.port != 0
            and parts.scheme in {"http", "https"}
            and not (parts.path.strip("/") or parts.query or parts.fragment)
            and (parts.username is None) == (parts.password is None)
        )
    except ValueError:
        return False
