"""The cards of what belongs to who asks: ``/settings``, ``/history``, ``/id``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.chat.catalogue import Both, Catalogue, alike, joined
from bot.chat.speaking import elements as el
from bot.chat.speaking.elements import Card, Element
from bot.chat.speaking.lines import Lines
from bot.chat.speaking.shown import clipped
from bot.chat.views import HistoryEntry, SettingsView

_COLOUR = "blue"
_MOST_PICTURES = 10
_LONGEST_PROMPT = 100
_LONGEST_ID = 100


class OwnCards:
    """The cards.

    Args:
        words: the catalogue.
        lines: the sentences about what an image is made with.
        buttons: whether the app receives card actions.
    """

    def __init__(self, *, words: Catalogue, lines: Lines, buttons: bool) -> None:
        self._say = words.both
        self._lines = lines
        self._buttons = buttons

    def settings(self, view: SettingsView) -> Card:
        """What holds where a prompt says nothing, and who has set it."""
        options = view.options
        said = {
            "model": self._say("label.model", model=options.model),
            "size": self._lines.size(options.size),
            "quality": self._say("label.quality", quality=options.quality),
            "style": self._style(options.style),
            "watermark": self._say("label.watermark" if options.watermark else "label.no_watermark"),
            "count": self._say("settings.count", count=options.count),
        }
        lines = [joined([words, self._say(f"settings.{_setter(view, name)}")]) for name, words in said.items()]
        text = el.line(el.label(joined([*lines, self._language(view)], separator="\n")))
        use = el.line(el.label(self._say("settings.use")), small=True)
        return el.card(self._say("settings.title"), colour=_COLOUR, elements=[text, use])

    def history(self, entries: Sequence[HistoryEntry]) -> Card:
        """The last pictures as thumbnails with their prompts, each with a button to run it again."""
        rows = [element for entry in entries[:_MOST_PICTURES] for element in self._picture(entry)]
        empty = [el.line(el.label(self._say("history.empty")))]
        return el.card(self._say("history.title"), colour=_COLOUR, elements=rows or empty)

    def id(self, *, person: str, chat: str | None) -> Card:
        """The ids of a person and of a chat, to copy.

        Args:
            person: the ``open_id``.
            chat: the ``chat_id``, ``None`` where there is none.
        """
        ids = {"id.person": person, "id.chat": chat}
        lines = [
            element
            for key, value in ids.items()
            if value is not None
            for element in (el.line(el.label(self._say(key))), el.line(el.verbatim(clipped(value, _LONGEST_ID))))
        ]
        use = el.line(el.label(self._say("id.use")), small=True)
        return el.card(self._say("id.title"), colour=_COLOUR, elements=[*lines, use])

    def _style(self, style: str | None) -> Both:
        if not style:
            return self._say("settings.no_style")
        return self._say("label.style", style=self._lines.style(style))

    def _language(self, view: SettingsView) -> Both:
        if view.language is None:
            return self._say("settings.language_auto")
        return joined([self._say(f"settings.language_{view.language}"), self._say("settings.own")])

    def _picture(self, entry: HistoryEntry) -> Iterator[Element]:
        yield el.thumbnail(entry.image_key, alt=self._say("label.alt"))
        prompt = clipped(entry.prompt, _LONGEST_PROMPT)
        if prompt.strip():
            yield el.line(el.verbatim(prompt))
        yield el.line(el.label(joined([alike(entry.options.model), self._lines.size(entry.options.size)])), small=True)
        if self._buttons:
            value = {"a": "again", "r": entry.request_id}
            yield el.row([el.button(self._say("button.again"), value=value)])


def _setter(view: SettingsView, name: str) -> str:
    if name in view.own:
        return "own"
    return "chat" if name in view.chat else "team"
