"""The one JSON object that tells of an image, whatever became of it."""

from __future__ import annotations

import json

TYPE_CHECKING = False  # glm-image starts with this module, and typing alone would take a fifth of the start
if TYPE_CHECKING:
    from typing import Any

    from bot.errors import GlmError
    from bot.models import GeneratedImage

KEYS = (
    "ok",
    "model",
    "image_url",
    "prompt",
    "size",
    "quality",
    "created",
    "content_filter",
    "saved_file",
    "error",
)
"""The keys of the object, in order; each is there in every case."""


class Answer:
    """What can be told so far, filled in step by step, so that a failure leaves what was known by then."""

    def __init__(self) -> None:
        self.called = False
        """Whether the paid call was begun."""
        self._fields: dict[str, Any] = dict.fromkeys(KEYS) | {"ok": False, "content_filter": []}

    def tell(self, **known: str | None) -> None:
        """Fills in what is known of the request, or where the file is."""
        self._fields.update(known)

    def tell_image(self, image: GeneratedImage) -> None:
        """Fills in what the paid call gave."""
        findings = [{"role": finding.role, "level": finding.level} for finding in image.findings]
        self._fields.update(image_url=image.url, created=image.created, content_filter=findings)

    def succeed(self) -> None:
        """Tells that everything which was asked was done."""
        self._fields["ok"] = True

    def fail(self, code: str, message: str, **facts: str | int | None) -> None:
        """Tells what went wrong, with those of the ``facts`` that are known: the status, the platform's code."""
        known = {name: fact for name, fact in facts.items() if fact is not None}
        self._fields["error"] = {"code": code, "message": message, **known}

    def fail_with(self, error: GlmError) -> None:
        """Tells of an error that has its own code, and what the content filter found."""
        self._fields["content_filter"] += [{"role": role, "level": level} for role, level in error.filters]
        facts = {"provider_code": error.provider_code, "request_id": error.request_id}
        self.fail(error.code, error.message, status=error.status, **facts)

    def tell_interrupted(self) -> None:
        """Tells that somebody ended it, and what that means for the bill."""
        if self._fields["image_url"]:
            message = "Interrupted after the image was made"
        elif self.called:
            message = "Interrupted; an image that was being made may be billed all the same"
        else:
            message = "Interrupted before an image was asked for; nothing is billed"
        self.fail("INTERRUPTED", message)

    def line(self, encoding: str) -> str:
        """The object on one line that ``encoding`` can write."""
        line = _plain(json.dumps(self._fields, ensure_ascii=False, separators=(",", ":")))
        try:
            line.encode(encoding)
        except UnicodeEncodeError:
            # JSON can say everything in ASCII, which every locale can print.
            return json.dumps(json.loads(line), separators=(",", ":"))
        return line


def _plain(text: str) -> str:
    """``text`` without surrogates: those by which Python hands on bytes are read as UTF-8, others are no characters."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
