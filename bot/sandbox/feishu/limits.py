"""How much and how often: the platform's limits."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from bot.sandbox.feishu.codes import NAMES, Refusal

_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The platform's limits; bytes, seconds, pixels a side, calls a second or a minute.

    https://open.feishu.cn/document/ukTMukTMukTM/uUzN04SN3QjL1cDN and the pages of the calls.
    """

    image_bytes: int = 10 * 1024 * 1024
    image_pixels: int = 12000
    gif_pixels: int = 2000
    file_bytes: int = 30 * 1024 * 1024
    text_bytes: int = 150 * 1024
    card_bytes: int = 30 * 1024
    uuid_characters: int = 50
    uuid_seconds: float = 3600.0
    patch_seconds: float = 14 * 86400.0
    patches_per_second: int = 5
    chat_per_second: int = 5
    api_per_second: int = 50
    api_per_minute: int = 1000
    token_seconds: float = 7200.0
    token_renewed_seconds: float = 1800.0
    """With less than this left a request for a token gives a new one; the old one lives on beside it."""


class Rates:
    """Counts calls in sliding windows; the caller holds the stand-in's lock."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._times: defaultdict[Hashable, deque[float]] = defaultdict(deque)

    def count_call(self, name: str) -> None:
        """Counts a call of one API.

        Raises:
            Refusal: 99991400, with the seconds to wait.
        """
        windows = ((1.0, self._limits.api_per_second), (_MINUTE, self._limits.api_per_minute))
        for seconds, most in windows:
            wait = self._wait(("api", name, seconds), seconds=seconds, most=most)
            if wait:
                raise Refusal(NAMES["rate_gateway"], retry_in=math.ceil(wait), limit=most)
        for seconds, _ in windows:
            self._times["api", name, seconds].append(self._clock())

    def count_send(self, chat_id: str) -> None:
        """Counts a message sent into a chat.

        Raises:
            Refusal: 230020.
        """
        self._count(("chat", chat_id), most=self._limits.chat_per_second)

    def count_patch(self, message_id: str) -> None:
        """Counts an update of a card.

        Raises:
            Refusal: 230020.
        """
        self._count(("patch", message_id), most=self._limits.patches_per_second)

    def _count(self, key: Hashable, *, most: int) -> None:
        if self._wait(key, seconds=1.0, most=most):
            raise Refusal(NAMES["rate_chat"])
        self._times[key].append(self._clock())

    def _wait(self, key: Hashable, *, seconds: float, most: int) -> float:
        times, now = self._times[key], self._clock()
        while times and times[0] <= now - seconds:
            times.popleft()
        return times[0] + seconds - now if len(times) >= most else 0.0
