"""A request as plain text, for the message beside a plain image when Feishu refuses the card."""

from __future__ import annotations

from bot.chat.cards.failures import grouped
from bot.chat.cards.request_sentences import RequestSentences
from bot.chat.cards.sanitize import excerpt, unmarked
from bot.chat.messages import LOCALES, alike
from bot.models import Language, RequestView


def plain(card: RequestView, language: Language, *, lines: RequestSentences) -> str:
    """What the card says, line by line; no part of it is a tag, and nobody is mentioned."""
    said = [lines.title(card)]
    for number, picture in enumerate(card.pictures, 1):
        about = [lines.status(card, picture), *lines.warnings(picture)]
        said += [lines.about(card, [number], one) for one in about if one is not None]
    for failed in grouped(card):
        why = lines.told(failed)
        said.append(lines.about(card, failed.numbers, why.sentence))
        said += [alike(why.platform)] if why.platform else []
        said.append(why.advice)
    shown, cut = excerpt(card.prompt)
    said += [alike(shown)] if shown.strip() else []
    said += [lines.prompt_length(card.prompt)] if cut else []
    said += [lines.parameters(card), *lines.small_print(card)]
    said += [alike(url) for picture in card.pictures if (url := lines.link(picture))]
    return unmarked("\n".join(one[LOCALES[language]] for one in said))
