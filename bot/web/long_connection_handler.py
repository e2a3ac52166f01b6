"""What comes over the long connection: a payload in, the answer of whoever takes the event out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from bot.errors import EventRejected
from bot.logs import get_logger
from bot.models import Event
from bot.web.event_json import parse
from bot.web.verification import admit
from bot.web.webhook import taken

log = get_logger(__name__)


class LongConnectionHandler:
    """Lets in what the platform pushes over a connection that was opened with the app's own id and secret.

    There is no signature, no encryption and no verification token to compare: whoever answers at the other end is the
    platform. Everything else is looked at as at the door. It may be called by several threads at once.

    Args:
        app_id: the App ID.
        take: stores an event durably; see :func:`bot.web.webhook.webhook`.
        clock: seconds since 1970.
        on_answer: told the kind of each event, its outcome and the seconds that it took, as at the door.
    """

    def __init__(
        self,
        *,
        app_id: str,
        take: Callable[[Event], Mapping[str, object]],
        clock: Callable[[], float] = time.time,
        on_answer: Callable[[str, str, float], None] = lambda _kind, _outcome, _seconds: None,
    ) -> None:
        self._app_id = app_id
        self._take = take
        self._clock = clock
        self._on_answer = on_answer

    def __call__(self, payload: bytes) -> Mapping[str, object] | None:
        """Takes one event or card action; gives the JSON to answer with, ``None`` where it was not taken."""
        began = time.monotonic()
        kind, outcome, body = self._answer(payload)
        self._on_answer(kind, outcome, time.monotonic() - began)
        return body

    def _answer(self, payload: bytes) -> tuple[str, str, Mapping[str, object] | None]:
        try:
            opened = admit(parse(payload), app_id=self._app_id, now=self._clock())
        except EventRejected as refused:
            log.warning("event rejected", status=refused.status, reason=refused.reason)
            return "unknown", f"refused_{refused.status}", None
        kind, outcome, body, status = taken(opened, self._take)
        return kind, outcome, body if status == HTTPStatus.OK else None
