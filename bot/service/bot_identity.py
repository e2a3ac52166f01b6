"""The bot's own ``open_id``, by which mentions are recognized: fetched once from Feishu, then stored."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.db.key_value import KeyValueStore
from bot.errors import FeishuError
from bot.feishu.client import FeishuClient
from bot.logs import get_logger

log = get_logger(__name__)


@dataclass(kw_only=True)
class BotIdentity:
    """The identity of an app's bot, known to Feishu and stored once it has been asked.

    ``name`` is ``None`` while it is not known, and ``error`` is why it could not be fetched yet.
    """

    feishu: FeishuClient
    store: KeyValueStore
    name: str | None = field(default=None, init=False)
    error: FeishuError | None = field(default=None, init=False)
    _open_id: str | None = field(default=None, init=False)
    _namesake_noted: bool = field(default=False, init=False)

    @property
    def open_id(self) -> str | None:
        """The bot's ``open_id``, ``None`` while no process has fetched it from Feishu."""
        if self._open_id is None and (open_id := self.store.get(f"bot_open_id:{self.feishu.app_id}")):
            # The name first: it is used as soon as the id is set.
            self.name = self.store.get(f"bot_name:{self.feishu.app_id}")
            self._open_id = open_id
        return self._open_id

    def fetch(self) -> None:
        """Reads the id from the database or asks Feishu for it; raises ``FeishuError`` and ``DatabaseUnavailable``."""
        if self.open_id is not None:
            return
        try:
            info = self.feishu.bot_info()
        except FeishuError as error:
            self.error = error
            raise
        if info.name:
            self.store.put(f"bot_name:{self.feishu.app_id}", info.name)
        self.store.put(f"bot_open_id:{self.feishu.app_id}", info.open_id)
        log.info("bot identity fetched", open_id=self.open_id)

    def note_namesake(self, open_id: str) -> None:
        """Notes once that another bot of the same name is mentioned, as after an app was created again."""
        if self._namesake_noted:
            return
        self._namesake_noted = True
        if self.store.get(namesake_key(self.feishu.app_id)) is None:
            self.store.put(namesake_key(self.feishu.app_id), open_id)
            log.warning("another bot of the same name mentioned", own=self.open_id, mentioned=open_id, name=self.name)


def namesake_key(app_id: str) -> str:
    """The key under which it is stored who was mentioned in place of an app's bot."""
    return f"bot_namesake:{app_id}"
