"""The network to the Open Platform: the proxy and the certificates that the settings or the environment name."""

from __future__ import annotations

import os
import ssl
from urllib.request import getproxies, proxy_bypass

import httpx

from bot.addresses import is_loopback, parse_proxy
from bot.errors import SettingsError


def network(origin: str, *, proxy: str, ca_file: str) -> httpx.HTTPTransport:
    """Connections to an origin; ``SettingsError`` if the proxy or the certificates cannot be used."""
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=30)
    try:
        tls = trusted(ca_file)
    except OSError as error:
        expected = "must name a file of PEM certificates, or not be set"
        raise SettingsError([f"SSL_CERT_FILE: {expected} ({error.strerror or type(error).__name__})"]) from error
    address = proxy_for(httpx.URL(origin).host, configured=proxy)
    through = httpx.Proxy(address, ssl_context=tls if address.startswith("https:") else None) if address else None
    return httpx.HTTPTransport(verify=tls, limits=limits, proxy=through)


def trusted(ca_file: str) -> ssl.SSLContext:
    """The usual certificate authorities, or those of ``SSL_CERT_FILE``, and those of a file."""
    tls = httpx.create_ssl_context()
    if ca_file:
        tls.load_verify_locations(ca_file)
    return tls


def proxy_for(host: str, *, configured: str = "") -> str | None:
    """The proxy for encrypted connections to a host, ``None`` for a direct connection.

    What is ``configured`` in the settings replaces that of the environment. There ``HTTPS_PROXY`` takes precedence over
    ``ALL_PROXY``, and ``NO_PROXY`` names the hosts that are called directly. The libraries do not read these
    themselves: httpx fails on a network in ``NO_PROXY``, websockets does not know ``ALL_PROXY``, and each fails on its
    own kind of proxy that it cannot use.

    Raises:
        SettingsError: what is named is no HTTP proxy.
    """
    # A proxy cannot reach a stand-in on this machine.
    if is_loopback(host):
        return None
    if configured or proxy_bypass(host):
        return configured or None
    proxies = getproxies()
    for name in ("https_proxy", "all_proxy"):
        if given := proxies.get(name.removesuffix("_proxy")):
            try:
                return parse_proxy(given if "://" in given else f"http://{given}")
            except ValueError as error:
                # Where both are set, the lower-case name counts.
                variable = name if name in os.environ else name.upper()
                fix = f"Correct it, unset it, or pass it by with NO_PROXY={host}"
                raise SettingsError([f"{variable}: {error}. {fix}"]) from None
    return None
