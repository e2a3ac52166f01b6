"""Accepts requests, each in one transaction: stored with its generations, or with the error that rejects it.

What a command changes is changed in the same transaction: exactly once, however often it is delivered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection

from bot.chat.parsing.tokenizer import ADMINS_ONLY
from bot.chat.styles import Styles, apply
from bot.db import requests as stored
from bot.db.database import Database, lock_admissions
from bot.db.generations import is_free_to_repeat, resume_images
from bot.db.key_value import Defaults, Preferences, pause, resume
from bot.db.tables import Kind, NewRequest, log_ids
from bot.db.usage import QuotaUsage
from bot.errors import UserError
from bot.logs import bind_ids, get_logger
from bot.models import Command, ImagePrompt, Language, ParsedMessage
from bot.options import Options, TypedOptions, known_options, repeat_options, resolve_options
from bot.service.group_commit import GroupCommit
from bot.service.quotas import Limits

log = get_logger(__name__)

TO_ADMIN = "notice"  # the command behind the bot's own messages to admins, which no rate limit applies to

_KINDS: Mapping[str, Kind] = {
    **{name: name for name in ("help", "not_allowed", "unreadable", "thanks", "original")},
    "export": "original",
}

_Result = UserError | Mapping[str, Any] | None  # why a request is rejected, what a command has changed, or nothing

_GONE = UserError(sentence="misread.nothing_to_repeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitResult:
    """What became of a request; ``request_id`` is ``None`` where none was stored, ``error`` is why it was rejected.

    It is ``repeated`` when the same event was delivered again, ``duplicate`` when a person did the same thing again.
    """

    outcome: Literal["accepted", "repeated", "duplicate", "rejected", "silenced"]
    kind: Kind
    request_id: str | None = None
    error: UserError | None = None
    price: float = 0.0  # yuan for the images that it will be, where it is accepted


class _Submission(NamedTuple):
    new: NewRequest
    message: ParsedMessage
    store_rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admission:
    """What the requests of one transaction are decided by, kept up to date from one to the next."""

    known: dict[str, bool]  # those that are stored, or were silenced, by their keys, and whether they were recalled
    duplicates: dict[str, str]  # the request with the same fingerprint as one of these, by fingerprint
    counts: QuotaUsage
    defaults: Defaults
    rows: list[NewRequest] = field(default_factory=list)  # what is to be stored

    def store(self, new: NewRequest) -> None:
        self.rows.append(new)
        self.known[new.dedup_key] = False
        self.counts.recent[new.sender] += 1


@dataclass(kw_only=True)
class RequestService:
    """Accepts requests; ``on_result`` is called with the kind and the outcome of each.

    Prompts that come at the same moment are accepted in one transaction, and so wait for the disk once. A command has
    one of its own, since a worker may hold what it changes for a moment.
    """

    database: Database
    limits: Limits
    preferences: Preferences
    styles: Styles
    admins: Collection[str]
    may_drop_watermark: bool
    log_prompts: bool = False
    on_result: Callable[[str, str], None] = lambda _kind, _outcome: None
    _group: GroupCommit[_Submission, SubmitResult] = field(init=False)

    def __post_init__(self) -> None:
        self._group = GroupCommit(self._commit)

    def submit(
        self, new: NewRequest, message: ParsedMessage, *, ask: bool = False, store_rejected: bool = True
    ) -> SubmitResult:
        """Stores a request for a message, unless one with the same ``dedup_key`` is there.

        If ``ask``, a card asks before images are made. Without ``store_rejected`` nothing is stored of a rejected
        request: the caller alone answers it. Nothing is stored, either, with ``DatabaseUnavailable``.
        """
        if isinstance(message, Command) and message.name == "again":
            new, message = self._again(new, message)
        if ask and isinstance(message, ImagePrompt):
            message = Command(name="confirm", argument=message.prompt, options=message.options)
        submission = _Submission(new, message, store_rejected)
        if isinstance(message, Command):
            (result,) = self._commit([submission], step="requests.accept_command")
        else:
            result = self._group.submit(submission)
        with bind_ids(**log_ids(result.request_id, new.dedup_key)):
            log.info("request", outcome=result.outcome, kind=result.kind)
            if self.log_prompts and isinstance(message, ImagePrompt) and result.outcome != "repeated":
                log.info("request prompt", prompt=message.prompt)
        self.on_result(result.kind, result.outcome)
        return result

    def language_of(self, sender: str) -> Language | None:
        """The language that a sender has chosen, else that of their last message; ``None`` before the first."""
        with self.database.read() as connection:
            chosen = self.preferences.read(connection, sender).language(sender)
            return chosen or stored.last_language(connection, sender=sender)

    def _commit(
        self, submissions: Sequence[_Submission], *, step: str = "requests.accept_prompts"
    ) -> list[SubmitResult]:
        new = [one.new for one in submissions]
        with self.database.write(step=step) as connection:
            at = lock_admissions(connection)
            found = _Admission(
                known=stored.known_messages(
                    connection, {key for one in new for key in (one.dedup_key, one.source) if key}
                ),
                duplicates=stored.find_duplicates(connection, new, at=at),
                counts=self.limits.count(connection, ((one.sender, one.chat_id) for one in new), at=at),
                defaults=self.preferences.read(connection, *{who for one in new for who in (one.sender, one.chat_id)}),
            )
            results = [self._admit(connection, self._draft(one, found), found) for one in submissions]
            stored.insert_requests(connection, found.rows, at=at, month=self.limits.periods.month())
        return results

    def _draft(self, asked: _Submission, found: _Admission) -> _Submission:
        """The request for a message, with the defaults of sender and chat; or why it is rejected."""
        new, message, _ = asked
        new = replace(new, language=found.defaults.language(new.sender) or new.language)
        if isinstance(message, Command):
            kind = _KINDS.get(message.name, "command")
            return asked._replace(new=replace(new, kind=kind, content=vars(message)))
        if found.known.get(new.source or ""):
            message = _GONE
        if isinstance(message, ImagePrompt):
            options, text = self._resolve(message.options, new, found.defaults), message.prompt
            if isinstance(options, Options):
                style = self.styles.find(options.style) if options.style is not None else None
                prompt, content = text if style is None else apply(text, style), {**new.content, **vars(options)}
                new = replace(new, kind="images", content=content, prompt=prompt, raw_prompt=text)
                return asked._replace(new=new)
            message = replace(options, offer=options.offer and {**options.offer, "prompt": text})
        return asked._replace(new=replace(new, kind="rejected"), message=message)

    def _admit(self, connection: Connection, asked: _Submission, found: _Admission) -> SubmitResult:
        """Decides about a request, in order of acceptance."""
        new, message, store_rejected = asked
        price = self.limits.price(new.options) if new.kind == "images" else 0.0
        if new.dedup_key in found.known:
            return SubmitResult(outcome="repeated", kind=new.kind, price=price)
        too_fast = self.limits.check_rate(found.counts, new.sender)
        if too_fast and new.content.get("name") != TO_ADMIN:
            return _too_fast(asked, found, too_fast)
        if new.fingerprint in found.duplicates and (new.kind == "images" or not store_rejected):
            return _duplicate(asked, found)
        outcome = self._decide(connection, new, message, found)
        if isinstance(outcome, UserError):
            if store_rejected:
                found.store(_rejected(new, outcome))
            request_id = new.request_id if store_rejected else None
            return SubmitResult(outcome="rejected", kind=new.kind, request_id=request_id, error=outcome)
        if outcome is not None:
            language = outcome.get("language", new.language)
            new = replace(new, language=language, content={**new.content, "result": outcome})
        found.store(new)
        if new.kind == "images":
            found.counts.add(new.sender, new.chat_id, new.options)
        if new.fingerprint:
            found.duplicates[new.fingerprint] = new.request_id
        return SubmitResult(outcome="accepted", kind=new.kind, request_id=new.request_id, price=price)

    def _resolve(self, typed: TypedOptions, new: NewRequest, defaults: Defaults) -> Options | UserError:
        return resolve_options(
            typed,
            defaults=defaults.options(person=new.sender, chat=new.chat_id),
            may_drop_watermark=self.may_drop_watermark,
            styles=self.styles,
        )

    def _decide(self, connection: Connection, new: NewRequest, message: ParsedMessage, found: _Admission) -> _Result:
        """Why a request is rejected; else what a command has changed, which this does, for its answer."""
        if isinstance(message, UserError):
            return message
        if isinstance(message, ImagePrompt):
            return self.limits.check(found.counts, new)
        name, argument, result = new.content["name"], new.content["argument"], None
        if name in {*ADMINS_ONLY, "export"} and new.sender not in self.admins:
            return UserError(sentence="command.admins_only")
        match name:
            case "cancel":
                return self._cancel(connection, new)
            case "set":
                return self._set(connection, new, found.defaults)
            case "lang":
                self.preferences.set(connection, new.sender, {"language": argument})
                stored.change_language(connection, sender=new.sender, language=argument)
                result = {"language": argument}
            case "pause":
                result = {"changed": pause(connection, by=new.sender)}
            case "resume":
                result = {"changed": resume(connection)}
            case "redownload":
                result = {"count": resume_images(connection, argument)}
        return result

    def _cancel(self, connection: Connection, new: NewRequest) -> _Result:
        own = stored.unfinished_requests(connection, sender=new.sender)
        if not own:
            return UserError(sentence="command.nothing_to_cancel")
        argument = new.content["argument"]
        number = len(own) if argument == "last" else int(argument or 0)
        if number > len(own):
            return UserError(sentence="command.no_such_number", values={"number": str(number), "most": str(len(own))})
        cancelled = own[number - 1 : number] if number else own
        rows = stored.cancel(connection, [one.request_id for one in cancelled])
        # Requests from other chats are named only where nobody else reads.
        named = [one.request_id for one in cancelled if new.chat_type == "p2p" or one.chat_id == new.chat_id]
        in_call = Counter(row.model for row in rows if row.calls_billed)
        return {"count": len(rows), "in_call": in_call, "named": named}

    def _set(self, connection: Connection, new: NewRequest, defaults: Defaults) -> _Result:
        for_chat = new.content["argument"] == "chat"
        if for_chat and new.sender not in self.admins:
            return UserError(sentence="command.admins_only")
        typed = known_options(new.content["options"])
        settled = self._resolve(typed, new, defaults)
        if isinstance(settled, UserError):
            return settled
        changes = {name: value for name, value in vars(settled).items() if name in typed}
        self.preferences.set(connection, (new.chat_id if for_chat else None) or new.sender, changes)
        return {"for_chat": for_chat, "changes": changes}

    def _again(self, new: NewRequest, command: Command) -> tuple[NewRequest, ParsedMessage]:
        """The prompt that is referred to, or the sender's last one in this chat, with the new options over its own.

        What was paid for and has not arrived is downloaded again instead, unless other options are asked for.
        """
        with self.database.read() as connection:
            if command.argument:
                last = stored.find_request(connection, command.argument)
            else:
                last = stored.last_prompt(connection, sender=new.sender, chat_id=new.chat_id)
            if last is None or not last.raw_prompt:
                return new, _GONE
            free = not command.options and is_free_to_repeat(connection, last.request_id)
        if free:
            return new, Command(name="redownload", argument=last.request_id)
        options = repeat_options(last.content, command.options)
        return replace(new, source=last.prompt_source), ImagePrompt(prompt=last.raw_prompt, options=options)


def _too_fast(asked: _Submission, found: _Admission, error: UserError) -> SubmitResult:
    """What becomes of what a sender sends too fast: one notice, then nothing."""
    new, warned = asked.new, found.counts.warned
    found.known[new.dedup_key] = False
    if not asked.store_rejected:
        return SubmitResult(outcome="rejected", kind=new.kind, error=error)
    if warned[new.sender]:
        return SubmitResult(outcome="silenced", kind=new.kind)
    warned[new.sender] += 1
    found.rows.append(replace(_rejected(new, error), kind="too_fast"))
    return SubmitResult(outcome="rejected", kind="too_fast", request_id=new.request_id, error=error)


def _duplicate(asked: _Submission, found: _Admission) -> SubmitResult:
    """Makes nothing of what a person has asked for just now; where it is stored, a card offers to draw it once more."""
    new, message, store = asked
    if not store or not isinstance(message, ImagePrompt):
        return SubmitResult(outcome="duplicate", kind=new.kind)
    content = {"name": "duplicate", "argument": found.duplicates[new.fingerprint or ""], "offer": vars(message)}
    found.store(replace(new, kind="command", content=content, prompt="", raw_prompt="", fingerprint=None))
    return SubmitResult(outcome="duplicate", kind="command", request_id=new.request_id)


def _rejected(new: NewRequest, error: UserError) -> NewRequest:
    command = new.content.get("name", error.command) if new.kind == "command" else error.command
    content: dict[str, Any] = {"sentence": error.sentence, "values": dict(error.values), "command": command}
    if error.offer and "prompt" in error.offer:
        content["offer"] = error.offer
    return replace(new, kind="rejected", content=content, fingerprint=None)
