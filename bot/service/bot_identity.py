"""The bot's own ``open_id``: learnt once from Feishu, then kept, so that a mention is recognised by it."""

from __future__ import annotations

from collections.abc import Callable

from bot.db.key_value import KeyValueStore
from bot.errors import FeishuError
from bot.logs import get_logger

log = get_logger(__name__)


class BotIdentity:
    """Learns who the bot is.

    Args:
        app_id: the app whose bot it is; another app has another id.
        ask: asks Feishu for the bot's ``open_id`` and its name.
        kept: where it is kept for the next start and for other processes.
    """

    def __init__(self, *, app_id: str, ask: Callable[[], tuple[str, str]], kept: KeyValueStore) -> None:
        self._name = f"bot_open_id:{app_id}"
        self._name_of_bot = f"bot_name:{app_id}"
        self._namesake = namesake_key(app_id)
        self._ask = ask
        self._kept = kept
        self._open_id: str | None = None
        self._namesake_noted = False
        self.name: str | None = None
        """The bot's name, ``None`` while it is not known."""
        self.refusal: FeishuError | None = None
        """Why Feishu has not told the id yet."""

    @property
    def open_id(self) -> str | None:
        """The bot's ``open_id``, or ``None`` while no process has fetched it from Feishu."""
        if self._open_id is None:
            # In a process that only takes events, another one has fetched it.
            self._open_id = self._kept.get(self._name)
            self.name = self._kept.get(self._name_of_bot)
        return self._open_id

    def learn(self) -> None:
        """Reads the id from the database or asks Feishu for it.

        Raises:
            FeishuError: Feishu does not tell.
            StoreUnavailable: the database does not answer.
        """
        if self._open_id is None:
            try:
                self._open_id = self._kept.get(self._name) or self._ask_once()
                self.name = self._kept.get(self._name_of_bot)
            except FeishuError as refusal:
                self.refusal = refusal
                raise
            log.info("bot identity fetched", open_id=self._open_id)

    def note_namesake(self, open_id: str) -> None:
        """Notes that somebody else is mentioned under the bot's name, as after an app was made again; logged once."""
        if self._namesake_noted:
            return
        self._namesake_noted = True
        if self._kept.get(self._namesake) is None:
            self._kept.put(self._namesake, open_id)
            log.warning("another bot of the same name mentioned", own=self._open_id, mentioned=open_id, name=self.name)

    def _ask_once(self) -> str:
        open_id, name = self._ask()
        if name:
            self._kept.put(self._name_of_bot, name)
        return self._kept.put(self._name, open_id)


def namesake_key(app_id: str) -> str:
    """Under which key it is kept who was mentioned in place of an app's bot."""
    return f"bot_namesake:{app_id}"
