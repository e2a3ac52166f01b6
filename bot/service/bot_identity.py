"""The bot's own ``open_id``, by which mentions are recognized: fetched once from Feishu, then stored."""

from __future__ import annotations

from collections.abc import Callable

from bot.db.key_value import KeyValueStore
from bot.errors import FeishuError
from bot.logs import get_logger

log = get_logger(__name__)


class BotIdentity:
    """The identity of an app's bot; ``fetch_info`` asks Feishu for its ``open_id`` and its name."""

    def __init__(self, *, app_id: str, fetch_info: Callable[[], tuple[str, str]], store: KeyValueStore) -> None:
        self._app_id = app_id
        self._fetch_info = fetch_info
        self._store = store
        self._namesake_noted = False
        self._id_key, self._name_key = f"bot_open_id:{app_id}", f"bot_name:{app_id}"
        self._open_id: str | None = None
        self.name: str | None = None
        """``None`` while it is not known."""
        self.error: FeishuError | None = None
        """Why it could not be fetched yet."""

    @property
    def open_id(self) -> str | None:
        """The bot's ``open_id``, ``None`` while no process has fetched it from Feishu."""
        if self._open_id is None and (open_id := self._store.get(self._id_key)):
            # The name first: it is used as soon as the id is set.
            self.name = self._store.get(self._name_key)
            self._open_id = open_id
        return self._open_id

    def fetch(self) -> None:
        """Reads the id from the database or asks Feishu for it.

        Raises:
            FeishuError: Feishu does not tell.
            DatabaseUnavailable: the database does not answer.
        """
        if self.open_id is not None:
            return
        try:
            open_id, name = self._fetch_info()
        except FeishuError as error:
            self.error = error
            raise
        if name:
            self._store.put(self._name_key, name)
        self._store.put(self._id_key, open_id)
        log.info("bot identity fetched", open_id=self.open_id)

    def note_namesake(self, open_id: str) -> None:
        """Notes once that another bot of the same name is mentioned, as after an app was created again."""
        if self._namesake_noted:
            return
        self._namesake_noted = True
        if self._store.get(namesake_key(self._app_id)) is None:
            self._store.put(namesake_key(self._app_id), open_id)
            log.warning("another bot of the same name mentioned", own=self.open_id, mentioned=open_id, name=self.name)


def namesake_key(app_id: str) -> str:
    """The key under which it is stored who was mentioned in place of an app's bot."""
    return f"bot_namesake:{app_id}"
