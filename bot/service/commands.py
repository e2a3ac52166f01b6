"""What commands change, in the transaction that accepts them: exactly once, however often they are delivered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bot.chat.parsing.tokenizer import ADMINS_ONLY
from bot.db.cancellation import cancel
from bot.db.database import Database
from bot.db.generations import resume_images
from bot.db.key_value import Preferences, pause, resume
from bot.db.lookups import change_language, store_content, unfinished_requests
from bot.db.tables import NewRequest
from bot.errors import UserError
from bot.models import fields_of
from bot.options import PartialOptions, resolve_options

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Performs the commands that change something, and stores the result for their answer.

    ``styles`` are all names of the styles.
    """

    database: Database
    preferences: Preferences
    admins: Collection[str]
    styles: Collection[str]
    may_drop_watermark: bool

    def perform(self, connection: Connection, new: NewRequest) -> UserError | None:
        """Performs a command within the caller's transaction; returns why it could not be performed."""
        changes: Mapping[str, Callable[[Connection, NewRequest], Result | UserError]] = {
            "cancel": self._cancel,
            "set": self._set,
            "lang": self._lang,
            "pause": lambda connection, new: {"changed": pause(self.database, connection, by=new.sender)},
            "resume": lambda connection, _: {"changed": resume(connection)},
            "redownload": lambda connection, new: {
                "count": resume_images(self.database, connection, new.content["argument"])
            },
        }
        name = new.content["name"]
        if name in {*ADMINS_ONLY, "export"} and new.sender not in self.admins:
            return UserError(sentence="command.admins_only")
        if name not in changes:
            return None
        result = changes[name](connection, new)
        if isinstance(result, UserError):
            return result
        store_content(connection, new.request_id, {**new.content, "result": result})
        return None

    def _cancel(self, connection: Connection, new: NewRequest) -> Result | UserError:
        own = unfinished_requests(connection, sender=new.sender)
        if not own:
            return UserError(sentence="command.nothing_to_cancel")
        argument = new.content["argument"]
        number = len(own) if argument == "last" else int(argument or 0)
        if number > len(own):
            return UserError(sentence="command.no_such_number", values={"number": str(number), "most": str(len(own))})
        cancelled = own[number - 1 : number] if number else own
        rows = cancel(self.database, connection, [one.request_id for one in cancelled])
        # Requests from other chats are named only where nobody else reads.
        named = [one.request_id for one in cancelled if new.chat_type == "p2p" or one.chat_id == new.chat_id]
        in_call = Counter(row["model"] for row in rows if row["calls_billed"])
        return {"count": len(rows), "in_call": in_call, "named": named}

    def _set(self, connection: Connection, new: NewRequest) -> Result | UserError:
        for_chat = new.content["argument"] == "chat"
        if for_chat and new.sender not in self.admins:
            return UserError(sentence="command.admins_only")
        typed = PartialOptions.from_stored(new.content["options"])
        defaults = self.preferences.read(connection, new.sender, new.chat_id)
        settled = resolve_options(
            typed,
            defaults=defaults.options(person=new.sender, chat=new.chat_id),
            may_drop_watermark=self.may_drop_watermark,
            styles=self.styles,
        )
        if isinstance(settled, UserError):
            return settled
        changes = {name: value for name, value in fields_of(settled).items() if name in typed.given}
        self.preferences.set(connection, (new.chat_id if for_chat else None) or new.sender, changes)
        return {"for_chat": for_chat, "changes": changes}

    def _lang(self, connection: Connection, new: NewRequest) -> Result:
        language = new.content["argument"]
        self.preferences.set(connection, new.sender, {"language": language})
        change_language(connection, sender=new.sender, language=language)
        return {"language": language}
