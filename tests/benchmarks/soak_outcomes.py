"""What became of each message of the soak: one reply, or why not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.sandbox.feishu.gateway import ApiCall
from bot.sandbox.feishu.world import ChatMessage
from tests.support.world import ENDED, colour

ONE = "one reply"
PLAIN = "the image and a text, as Feishu refused the card"
NEW = "the result as a new reply, as Feishu refused to change the card"
LEFT = "one reply that does not tell the end, as Feishu refused to change it for good"
DOCUMENTED = (ONE, PLAIN, NEW, LEFT)
"""What may become of a message; of more than one message there are these two cases only."""


def outcomes(
    said: Iterable[ChatMessage], *, messages: Iterable[ChatMessage], app_id: str, refused: Iterable[ApiCall]
) -> Counter[str]:
    """How many messages had which outcome.

    Args:
        said: what people wrote, each in a chat of its own.
        messages: everything that stands in any chat.
        app_id: who the bot is.
        refused: the calls to Feishu that failed.
    """
    answers: dict[str, list[ChatMessage]] = defaultdict(list)
    for message in messages:
        if message.sender == app_id:
            answers[message.chat_id].append(message)
    failed: dict[str, list[ApiCall]] = defaultdict(list)
    for call in refused:
        for part in call.path.split("/"):
            failed[part].append(call)
    return Counter(_outcome(message, answers[message.chat_id], failed) for message in said)


def _outcome(message: ChatMessage, answers: Sequence[ChatMessage], failed: Mapping[str, Sequence[ApiCall]]) -> str:
    kinds = Counter(answer.msg_type for answer in answers)
    cards = [answer for answer in answers if answer.msg_type == "interactive"]
    met = [call for one in (message, *answers) for call in failed.get(one.message_id, ())]
    names = {call.name for call in met}
    plainly = kinds["text"] == 1 and kinds["image"] <= 1
    match len(cards), len(answers) - len(cards):
        case 1, 0 if colour(cards[0]) in ENDED:
            return ONE
        case 1, 0 if "patch" in names:
            return LEFT
        case 0, _ if plainly and "reply" in names:
            return PLAIN
        case 1, _ if plainly and "patch" in names:
            return NEW
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
    refusals = ", ".join(sorted({f"{call.name} {call.fault or call.code}" for call in met})) or "nothing"
    return f"WRONG: {said}; what Feishu refused: {refusals}"
