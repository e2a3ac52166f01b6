"""The cards of what belongs to who asks: ``/settings``, ``/history``, ``/id``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.chat.cards import elements as el
from bot.chat.cards.elements import Card, Element
from bot.chat.cards.notices import notice
from bot.chat.cards.request_sentences import RequestSentences
from bot.chat.cards.sanitize import clipped
from bot.chat.messages import Bilingual, Messages, alike, joined
from bot.options import Options
from bot.view_models import HistoryEntry, SettingsView

_COLOUR = "blue"
_MOST_PICTURES = 10
_LONGEST_PROMPT = 100
_LONGEST_ID = 100


class UserCards:
    """The cards.

    Args:
        words: the catalogue.
        lines: the sentences about what an image is made with.
        buttons: whether the app receives card actions.
    """

    def __init__(self, *, words: Messages, lines: RequestSentences, buttons: bool) -> None:
        self._words = words
        self._say = words.both
        self._lines = lines
        self._buttons = buttons

    def settings(self, view: SettingsView) -> Card:
        """What holds where a prompt says nothing, and who has set it."""
        said = self._lines.defaults(view.options)
        lines = [joined([words, self._say(f"settings.{_setter(view, name)}")]) for name, words in said.items()]
        if not view.of_chat:
            lines.append(self._language(view))
        of_chat = "_chat" if view.of_chat else ""
        text = el.line(el.label(joined(lines, separator="\n")))
        use = el.line(el.label(self._say(f"settings.use{of_chat}")), small=True)
        return el.card(self._say(f"settings.title{of_chat}"), colour=_COLOUR, elements=[text, use])

    def changed(self, changes: Mapping[str, Any], *, for_chat: bool) -> Card:
        """That defaults are changed, and to what.

        Args:
            changes: the new values by the names of the options.
            for_chat: whether they are the chat's.
        """
        said = self._lines.defaults(Options(**changes))
        values = {"changes": joined(words for name, words in said.items() if name in changes)}
        return notice("set_chat" if for_chat else "set", values, words=self._words)

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
        use = el.line(el.label(self._say("id.use")), small=True)
        return el.card(self._say("id.title"), colour=_COLOUR, elements=[*self._ids(person, chat), use])

    def not_allowed(self, *, person: str, chat: str | None) -> Card:
        """That the bot is not open to a person in a chat yet, and the ids that an admin needs for that; as ``id``."""
        why = el.line(el.label(self._say("id.not_allowed")))
        return el.card(self._say("id.not_allowed_title"), colour="grey", elements=[why, *self._ids(person, chat)])

    def _ids(self, person: str, chat: str | None) -> list[Element]:
        return [
            element
            for key, value in {"id.person": person, "id.chat": chat}.items()
            if value is not None
            for element in (el.line(el.label(self._say(key))), el.line(el.verbatim(clipped(value, _LONGEST_ID))))
        ]

    def _language(self, view: SettingsView) -> Bilingual:
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
