"""Key rotation: secrets that were changed in ``.env`` are used from then on, without a restart."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.dotenv import DOTENV, read_dotenv
from bot.errors import MissingApiKey, SettingsError
from bot.glm.api import validate_key
from bot.logs import formatter, get_logger
from bot.settings import Settings, load

ROTATED = ("ZHIPU_API_KEY", "FEISHU_APP_SECRET")
"""The variables that are read again."""

log = get_logger(__name__)


@dataclass
class SecretRotation:
    """Rereads the secrets; ``use`` is called with settings that hold the new ones.

    What has changed in ``.env`` since it was last read takes precedence over the environment, which nobody can change
    from outside. Everything else stays as it was at the start.
    """

    use: Callable[[Settings], None]
    _seen: dict[str, str] = field(default_factory=lambda: read_dotenv(Path(DOTENV)), init=False)
    _changed: dict[str, str] = field(default_factory=dict, init=False)

    def reread(self) -> None:
        """Reads ``.env`` again; while its content is invalid, the secrets stay as they are."""
        try:
            given = read_dotenv(Path(DOTENV))
            new = {name: given[name] for name in ROTATED if given.get(name) and given[name] != self._seen.get(name)}
            settings = load({**os.environ, **self._changed, **new}, dotenv=Path(DOTENV))
            if "ZHIPU_API_KEY" in new:
                validate_key(settings.api_key.get_secret_value())
        except (SettingsError, MissingApiKey) as error:
            log.error("secrets not reread", reason=error)  # noqa: TRY400 - the faults say where
            return
        self._seen, self._changed = given, {**self._changed, **new}
        for handler in logging.getLogger().handlers:
            handler.setFormatter(formatter(settings.log.format, secrets=settings.secrets))
        self.use(settings)
        log.info("secrets reread", changed=",".join(new) or "none")
