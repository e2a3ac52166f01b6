"""From what was understood to the request that is stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.chat.styles import Styles, apply
from bot.db.preferences import Defaults
from bot.db.row_models import Kind, NewRequest
from bot.errors import UserError
from bot.models import ChatType, Command, ImagePrompt, Language, fields_of
from bot.options import Options, resolve_options

_KINDS: Mapping[str, Kind] = {"help": "help", "not_allowed": "not_allowed", "original": "original"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """Where something that was understood came from, and where its answer goes.

    ``origin`` is what it is unique by. ``language`` is the sender's, as far as the words show it.
    """

    dedup_key: str
    chat_id: str | None
    chat_type: ChatType
    reply_to: str | None
    in_topic: bool
    sender: str
    language: Language
    source: str | None = None
    """The message whose prompt this repeats or edits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The request that an arrival becomes: with ``options`` it makes images, with ``fault`` it says what was wrong."""

    new: NewRequest
    options: Options | None = None
    fault: UserError | None = None


class RequestBuilder:
    """Plans requests; reads nothing by itself.

    Args:
        styles: the styles that a prompt can name.
        may_drop_watermark: whether people may ask for a picture without the watermark.
    """

    def __init__(self, *, styles: Styles, may_drop_watermark: bool) -> None:
        self._styles = styles
        self._may_drop_watermark = may_drop_watermark

    def of_prompt(self, arrival: RequestContext, ask: ImagePrompt | UserError, choices: Defaults) -> Draft:
        """Plans the images of a prompt, with what people and chats have set, or the answer to a faulty one."""
        language = choices.language(arrival.sender) or arrival.language
        if isinstance(ask, UserError):
            return self._fault(arrival, language, ask)
        settled = resolve_options(
            ask.options,
            defaults=choices.options(person=arrival.sender, chat=arrival.chat_id),
            may_drop_watermark=self._may_drop_watermark,
            styles=self._styles,
        )
        if isinstance(settled, UserError):
            return self._fault(arrival, language, settled)
        style = self._styles.find(settled.style) if settled.style is not None else None
        prompt = ask.prompt if style is None else apply(ask.prompt, style)
        new = _new(arrival, language, kind="images", content=fields_of(settled), prompt=prompt, raw_prompt=ask.prompt)
        return Draft(new=new, options=settled)

    def of_command(self, arrival: RequestContext, command: Command, choices: Defaults) -> NewRequest:
        """Plans the answer to a command."""
        language = choices.language(arrival.sender) or arrival.language
        content = {"name": command.name, "argument": command.argument, "options": command.options.given}
        return _new(arrival, language, kind=_KINDS.get(command.name, "command"), content=content)

    def _fault(self, arrival: RequestContext, language: Language, fault: UserError) -> Draft:
        return Draft(new=_new(arrival, language, kind="rejected", content=_content(fault)), fault=fault)


def refused(new: NewRequest, refusal: UserError) -> NewRequest:
    """The request that is answered with a refusal in the place of what it asked for."""
    command = new.content["name"] if new.kind == "command" else refusal.command
    return replace(new, kind="rejected", content=_content(replace(refusal, command=command)))


def _content(fault: UserError) -> Mapping[str, Any]:
    return {"sentence": fault.sentence, "values": dict(fault.values), "command": fault.command}


def _new(
    arrival: RequestContext,
    language: Language,
    *,
    kind: Kind,
    content: Mapping[str, Any],
    prompt: str = "",
    raw_prompt: str = "",
) -> NewRequest:
    return NewRequest(
        dedup_key=arrival.dedup_key,
        kind=kind,
        chat_id=arrival.chat_id,
        chat_type=arrival.chat_type,
        reply_to=arrival.reply_to,
        in_topic=arrival.in_topic,
        sender=arrival.sender,
        language=language,
        prompt=prompt,
        raw_prompt=raw_prompt,
        content=content,
        source=arrival.source,
    )
