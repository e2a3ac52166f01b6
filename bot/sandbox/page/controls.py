"""What the page can do to the bot itself, where whoever started both lets it."""

from __future__ import annotations

from typing import Any, Protocol


class Unable(Exception):
    """What a visitor of the page asked for cannot be done now.

    Args:
        message: why, in English.
        sentence: the key of the page's words that tells it to the visitor.
    """

    def __init__(self, message: str, *, sentence: str) -> None:
        super().__init__(message)
        self.sentence = sentence


class Controls(Protocol):
    """The bot's process and its queue, as the page's switches use them."""

    @property
    def real_glm(self) -> bool:
        """Whether the pictures come from the real platform; Feishu stays local either way."""

    @property
    def running(self) -> bool:
        """Whether the bot's process is there."""

    def kill(self) -> None:
        """Ends the bot's process at once, as ``kill -9`` does.

        Raises:
            Unable: not now.
        """

    def start(self) -> None:
        """Starts the bot's process again.

        Raises:
            Unable: not now.
        """

    def queue(self) -> list[dict[str, Any]]:
        """The generations that run, then those that wait, in the order in which they get their turns.

        Each has ``generation_id``, ``request_id``, ``sender``, ``prompt``, ``state`` and ``model``; one that waits has
        ``ahead``, too: how many of its model come before it, those that run included.
        """
