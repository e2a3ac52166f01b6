"""The tenant access tokens that the stand-in gives out."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from bot.sandbox.feishu.limits import Limits


class Tokens:
    """The tokens of one app and when each ends; the caller holds the stand-in's lock.

    https://open.feishu.cn/document/server-docs/authentication-management/access-token/tenant_access_token_internal
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._ends: dict[str, float] = {}

    def give(self) -> tuple[str, int]:
        """A token and the whole seconds it is good for: the newest one while at least half an hour of it is left."""
        now = self._clock()
        newest = next(reversed(self._ends), None)
        if newest is not None and self._ends[newest] - now >= self._limits.token_renewed_seconds:
            return newest, int(self._ends[newest] - now)
        token = f"t-{secrets.token_hex(20)}"
        self._ends[token] = now + self._limits.token_seconds
        return token, int(self._limits.token_seconds)

    def good(self, token: str) -> bool:
        """Whether a call with this token is let in."""
        return self._ends.get(token, 0.0) > self._clock()

    def expire(self) -> None:
        """Ends every token now."""
        self._ends.clear()
