"""The tenant access token, fetched once for all threads and again a while before it ends.

https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import FeishuError

_EARLIEST = 300.0
_PART = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as the platform gave it; ``lifetime`` in seconds from then. Its repr does not show it."""

    value: str
    lifetime: float

    def __repr__(self) -> str:
        return f"Token(lifetime={self.lifetime})"


class TenantToken:
    """Keeps the token of one app on one platform, for any number of threads.

    It is renewed when a tenth of its lifetime, and at most five minutes, is left. While a new one cannot be had,
    the old one serves to its end.

    Args:
        fetch: asks the platform; raises what the call raises. It is never called by two threads at once.
        clock: seconds since 1970.
    """

    def __init__(self, fetch: Callable[[], Token], *, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._ends_at = 0.0

    def get(self) -> str:
        """A token that holds for now.

        Raises:
            FeishuError: the platform refused the app's credentials or gave no answer, and there is no token that still
                holds.
        """
        with self._lock:
            token = self._token
            if token is not None and self._clock() < self._ends_at - min(_EARLIEST, _PART * token.lifetime):
                return token.value
            asked_at = self._clock()
            try:
                fetched = self._fetch()
            except FeishuError:
                if token is not None and asked_at < self._ends_at:
                    return token.value
                raise
            self._token = fetched
            self._ends_at = asked_at + fetched.lifetime
            return fetched.value

    def refuse(self, value: str) -> None:
        """Says that the platform no longer takes this token; one that was fetched since then stays."""
        with self._lock:
            if self._token is not None and self._token.value == value:
                self._token = None
