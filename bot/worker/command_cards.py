"""The cards that answer anything but a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import select

from bot.chat.cards.cards import Cards
from bot.chat.cards.elements import Card
from bot.db.database import Database
from bot.db.preferences import OPTION_NAMES, Preferences
from bot.db.row_models import RECALLED, Request, options_of, read_options
from bot.db.tables import requests
from bot.models import UserError
from bot.service.quotas import Limits
from bot.view_models import SettingsView
from bot.worker.command_queries import CommandQueries


class CommandCards:
    """Renders the answers to commands, faults and greetings from what the database holds.

    Args:
        database: where everything is.
        cards: what renders.
        limits: what people may ask for.
        overview: what the line, the history and the month show.
        preferences: what people and chats have set.
    """

    def __init__(
        self, database: Database, *, cards: Cards, limits: Limits, overview: CommandQueries, preferences: Preferences
    ) -> None:
        self._database = database
        self._cards = cards
        self._limits = limits
        self._preferences = preferences
        self._of_command: Mapping[str, Callable[[Request], Card]] = {
            "help": lambda _: cards.help(),
            "sizes": lambda _: cards.sizes(),
            "models": lambda _: cards.models(),
            "styles": lambda _: cards.styles(),
            "tips": lambda _: cards.tips(),
            # Sent as a file; this card is shown only where the file cannot be.
            "original": lambda _: cards.notice("original_gone"),
            "welcome": lambda _: cards.welcome(),
            "queue": lambda request: cards.queue(
                overview.queue(chat_id=request.chat_id, person=request.sender, private=request.chat_type == "p2p")
            ),
            "history": lambda request: cards.history(overview.history(chat_id=request.chat_id, person=request.sender)),
            "stats": lambda _: cards.stats(overview.stats()),
            "id": lambda request: cards.id(person=request.sender, chat=request.chat_id),
            "not_allowed": lambda request: cards.not_allowed(person=request.sender, chat=request.chat_id),
            "quota": self._quota,
            "settings": self._settings,
            "form": self._form,
            "cancel": self._cancelled,
            "set": self._set,
            "redownload": lambda _: cards.notice("redownload"),
            "lang": lambda _: cards.notice("language"),
            RECALLED: lambda _: cards.notice("recalled"),
            "notice": self._notice,
            "pause": lambda request: cards.notice("paused" if _changed(request) else "already_paused"),
            "resume": lambda request: cards.notice("resumed" if _changed(request) else "already_running"),
        }

    def card(self, request: Request) -> tuple[Card, str]:
        """The card that answers a request, and a word for what it shows."""
        if request.kind in ("rejected", "too_fast"):
            fault = request.content
            rejection = UserError(sentence=fault["sentence"], values=fault["values"], command=fault.get("command"))
            return self._cards.rejection(rejection), "rejected"
        name = str(request.content.get("name", "help"))
        return self._of_command.get(name, self._of_command["help"])(request), name

    def _notice(self, request: Request) -> Card:
        name, _, details = request.content["argument"].partition("\n")
        return self._cards.notice(name, **({"details": details} if details else {}))

    def _quota(self, request: Request) -> Card:
        with self._database.read() as connection:
            return self._cards.quota(self._limits.quota(connection, request.sender))

    def _settings(self, request: Request) -> Card:
        of_chat = request.content["argument"] == "chat"
        person = "" if of_chat else request.sender
        with self._database.read() as connection:
            choices = self._preferences.choices(connection, [person, request.chat_id])
        return self._cards.settings(
            SettingsView(
                options=choices.options(person=person, chat=request.chat_id),
                language=choices.language(person),
                own=tuple(name for name in choices.of(person) if name in OPTION_NAMES),
                chat=tuple(name for name in choices.of(request.chat_id) if name in OPTION_NAMES),
                of_chat=of_chat,
            )
        )

    def _form(self, request: Request) -> Card:
        about = request.content["argument"]
        with self._database.read() as connection:
            row = connection.execute(select(requests).where(requests.c.request_id == about)).mappings().first()
        if row is None or not row["raw_prompt"]:
            return self._cards.notice("recalled")
        return self._cards.form(request_id=about, prompt=row["raw_prompt"], options=options_of(read_options(row)))

    def _cancelled(self, request: Request) -> Card:
        result = request.content["result"]
        named = select(requests.c.prompt).where(requests.c.request_id.in_(result.get("named", ())))
        with self._database.read() as connection:
            prompts = connection.scalars(named.order_by(requests.c.accepted_at, requests.c.request_id)).all()
        return self._cards.notice("cancelled", count=str(result["count"]), prompt="\n".join(filter(None, prompts)))

    def _set(self, request: Request) -> Card:
        result = request.content["result"]
        return self._cards.changed(result["changes"], for_chat=result["for_chat"])


def _changed(request: Request) -> bool:
    return bool(request.content["result"]["changed"])
