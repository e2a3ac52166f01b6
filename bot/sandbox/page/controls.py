"""What the page can do to the bot itself, where whoever started both lets it."""

from __future__ import annotations

from typing import Any, Protocol


class Controls(Protocol):
    """The bot's process and its queue, as the page's switches use them."""

    @property
    def real_glm(self) -> bool:
        """Whether the pictures come from the real platform; Feishu stays local either way."""

    @property
    def running(self) -> bool:
        """Whether the bot's process is there."""

    def kill(self) -> None:
        """Ends the bot's process at once, as ``kill -9`` does."""

    def start(self) -> None:
        """Starts the bot's process again."""

    def queue(self) -> list[dict[str, Any]]:
        """The waiting and running generations.

        Each has ``generation_id``, ``request_id``, ``sender``, ``prompt``, ``state`` and ``model``.
        """
