"""A maker of images that tells how long each paid call took and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.errors import GlmError
from bot.models import GeneratedImage
from bot.options import Options
from bot.worker.generation_steps import ImageProvider

OnCall = Callable[[str, float, str], None]
"""Told of every paid call: its model, its seconds, and ``ok`` or the error's code."""

_LONGEST_CODE = 6


class InstrumentedImageClient:
    """Makes images with another maker.

    Args:
        maker: who makes them.
        on_call: told of every call, from the thread that made it.
    """

    def __init__(self, maker: ImageProvider, *, on_call: OnCall) -> None:
        self._maker = maker
        self._on_call = on_call

    def generate(
        self, prompt: str, *, options: Options, user_id: str | None = None, before_send: Callable[[], None]
    ) -> GeneratedImage:
        """One paid call; raises what the maker raises."""
        started = time.monotonic()
        code = "ok"
        try:
            return self._maker.generate(prompt, options=options, user_id=user_id, before_send=before_send)
        except GlmError as error:
            code = _code(error)
            raise
        finally:
            self._on_call(options.model, time.monotonic() - started, code)


def _code(error: GlmError) -> str:
    """The platform's own code, such as ``1302``, else ours; no other text of the platform's becomes a label."""
    given = error.provider_code or ""
    return given if given.isascii() and given.isdigit() and len(given) <= _LONGEST_CODE else error.code
