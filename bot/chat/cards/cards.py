"""The cards that the bot sends, as dicts of Feishu's card JSON 2.0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

from bot.chat.cards import elements as el
from bot.chat.cards import request_plain_text as plain
from bot.chat.cards.elements import Card, content
from bot.chat.cards.form_card import FormCard
from bot.chat.cards.help_cards import COMMANDS, HelpCards
from bot.chat.cards.notices import notice
from bot.chat.cards.queue_card import QueueCard
from bot.chat.cards.quota_stats_cards import UsageCards
from bot.chat.cards.rejection_card import RejectionCard
from bot.chat.cards.request_card import RequestLayout
from bot.chat.cards.request_sentences import RequestSentences
from bot.chat.cards.user_cards import UserCards
from bot.chat.cards.welcome_card import EXAMPLES, welcome
from bot.chat.messages import Messages
from bot.chat.styles import Styles
from bot.errors import UserError
from bot.models import Language, RequestView
from bot.options import Options
from bot.view_models import HistoryEntry, QueueView, QuotaView, SettingsView, StatsView

__all__ = ["EXAMPLES", "Cards", "content"]


class Cards:
    """The bot's cards, each in both languages and under 30 KB.

    A prompt stands once in its card, as plain text. Buttons carry an action and an id, never a prompt or an option:
    ``{"a": "again" | "resume" | "ratio" | "edit" | "cancel", "r": request_id}`` or
    ``{"a": "original", "g": generation_id}``; the ratio comes as the select's choice. The form sends
    ``{"a": "submit", "r": request_id}`` with its fields, an example of the welcome ``{"a": "example", "e": name}``.

    Args:
        words: the catalogue.
        styles: the styles.
        zone: the team's time zone.
        buttons: whether the app receives card actions; links work without.
        prices: yuan an image, by model, for ``/models``.
        defaults: what a prompt is made with that says nothing, for the cards that explain.
        commands: the commands that ``/help`` lists, by their English names.
    """

    def __init__(
        self,
        *,
        words: Messages,
        styles: Styles,
        zone: tzinfo,
        buttons: bool,
        prices: Mapping[str, float] | None = None,
        defaults: Options | None = None,
        commands: Sequence[str] = COMMANDS,
    ) -> None:
        self._words = words
        self._buttons = buttons
        self._lines = RequestSentences(words=words, styles=styles, zone=zone)
        self._layout = RequestLayout(words=words, lines=self._lines, buttons=buttons)
        self._guides = HelpCards(
            words=words, styles=styles, prices=prices or {}, defaults=defaults or Options(), commands=commands
        )
        self._misread = RejectionCard(words=words, styles=styles)
        self._queue = QueueCard(words=words, lines=self._lines)
        self._usage = UsageCards(words=words, zone=zone)
        self._own = UserCards(words=words, lines=self._lines, buttons=buttons)
        self._form = FormCard(words=words, styles=styles)

    def request(self, card: RequestView) -> Card:
        """The one card of a request: queued, generating, ready, failed or cancelled, its pictures as they come."""
        return self._layout.card(card)

    def plain(self, card: RequestView, language: Language) -> str:
        """What that card says as text, for the message beside a plain image when Feishu refuses the card."""
        return plain.plain(card, language, lines=self._lines)

    def moved(self) -> Card:
        """The one line that an old card becomes when the result went out as a new reply."""
        title, said = self._words.both("card.moved_title"), self._words.both("card.moved")
        return el.card(title, colour="grey", elements=[el.line(el.label(said))])

    def rejection(self, rejection: UserError) -> Card:
        """The answer to a message that was not carried out: what was wrong, or which limit it met."""
        return self._misread.card(rejection)

    def help(self) -> Card:
        """What can be typed: a prompt, its options, and the commands."""
        return self._guides.help()

    def sizes(self) -> Card:
        """The sizes of each model, and the rule for others."""
        return self._guides.sizes()

    def models(self) -> Card:
        """The models, with their prices and usual times."""
        return self._guides.models()

    def styles(self) -> Card:
        """The styles, each with its words and an example."""
        return self._guides.styles()

    def tips(self) -> Card:
        """How to write a prompt."""
        return self._guides.tips()

    def queue(self, view: QueueView) -> Card:
        """What runs and waits in a chat, and what of it one may cancel."""
        return self._queue.card(view)

    def quota(self, view: QuotaView) -> Card:
        """What a person and the team have used, and what is left."""
        return self._usage.quota(view)

    def stats(self, view: StatsView) -> Card:
        """The team's month, for an admin."""
        return self._usage.stats(view)

    def settings(self, view: SettingsView) -> Card:
        """What holds where a prompt says nothing, and who has set it."""
        return self._own.settings(view)

    def changed(self, changes: Mapping[str, Any], *, for_chat: bool) -> Card:
        """That a person's or a chat's defaults are changed, and to what."""
        return self._own.changed(changes, for_chat=for_chat)

    def history(self, entries: Sequence[HistoryEntry]) -> Card:
        """The last pictures of a person in a chat, each with a button to run it again."""
        return self._own.history(entries)

    def id(self, *, person: str, chat: str | None) -> Card:
        """The ``open_id`` of a person and the ``chat_id`` of a chat, to copy."""
        return self._own.id(person=person, chat=chat)

    def not_allowed(self, *, person: str, chat: str | None) -> Card:
        """That the bot is not open to somebody yet, with the ids that an admin needs to open it."""
        return self._own.not_allowed(person=person, chat=chat)

    def form(self, *, request_id: str, prompt: str, options: Options) -> Card:
        """The form in which a prompt is changed, filled in with what a request was made with."""
        return self._form.card(request_id=request_id, prompt=prompt, options=options)

    def welcome(self) -> Card:
        """Who the bot is, and three examples to press."""
        return welcome(self._words, buttons=self._buttons)

    def notice(self, name: str, **values: str) -> Card:
        """A card of one line: one of :data:`bot.chat.cards.notices.NOTICES`, with the placeholders of its sentence.

        Raises:
            KeyError: there is no such notice, or a value is missing.
        """
        return notice(name, values, words=self._words)
