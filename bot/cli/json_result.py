"""The one JSON object that the ``glm-image`` command prints in every case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.errors import GlmError
    from bot.models import GeneratedImage

KEYS = ("ok", "model", "image_url", "prompt", "size", "quality", "created", "content_filter", "saved_file", "error")
"""The keys of the object, in order; each is always there."""


class JsonResult:
    """The result, filled in step by step, so that a failure leaves what was known by then."""

    def __init__(self) -> None:
        self.called = False
        """Whether the paid call was started."""
        self._fields: dict[str, Any] = dict.fromkeys(KEYS) | {"ok": False, "content_filter": []}

    def update(self, **known: str | bool | None) -> None:
        self._fields.update(known)

    def update_image(self, image: GeneratedImage) -> None:
        """Fills in the answer of the paid call."""
        findings = [{"role": finding.role, "level": finding.level} for finding in image.findings]
        self._fields.update(image_url=image.url, created=image.created, content_filter=findings)

    def fail(self, code: str, message: str, **facts: str | int | None) -> None:
        """Sets the error, with those of the ``facts`` that are known: the HTTP status, the platform's code."""
        known = {name: fact for name, fact in facts.items() if fact is not None}
        self._fields["error"] = {"code": code, "message": message, **known}

    def fail_with(self, error: GlmError) -> None:
        """Sets an error that has its own code, and what the content filter found."""
        self._fields["content_filter"] += [{"role": role, "level": level} for role, level in error.filters]
        facts = {"provider_code": error.provider_code, "request_id": error.request_id}
        self.fail(error.code, error.message, status=error.status, **facts)

    def fail_interrupted(self) -> None:
        """Sets the error of a signal, with what it means for the bill."""
        if self._fields["image_url"]:
            message = "Interrupted after the image was made"
        elif self.called:
            message = "Interrupted; an image that was being made may be billed all the same"
        else:
            message = "Interrupted before an image was asked for; nothing is billed"
        self.fail("INTERRUPTED", message)

    def line(self, encoding: str) -> str:
        """The object on one line that ``encoding`` can write."""
        line = _without_surrogates(json.dumps(self._fields, ensure_ascii=False, separators=(",", ":")))
        try:
            line.encode(encoding)
        except UnicodeEncodeError:
            # JSON can be written in ASCII, which every locale can print.
            return json.dumps(json.loads(line), separators=(",", ":"))
        return line


def _without_surrogates(text: str) -> str:
    """``text`` with the bytes that Python passes on as surrogates read as UTF-8, and other surrogates replaced."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
