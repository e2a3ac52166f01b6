"""What people write without a slash is understood, and nothing is paid for that was not wanted."""

from __future__ import annotations

import re
from collections import Counter
from itertools import cycle
from pathlib import Path

from bot.chat.parsing.intents import Intent, Situation, recognize
from bot.chat.parsing.wording import Rules
from bot.text import visible
from tests.unit.card_samples import styles

FOLDER = Path(__file__).parent
RULES = Rules.load(Path("config"))
PRICES = {"models": "prices"}


def understood(situation: str, text: str) -> Intent:
    refers = Situation(result=situation in ("after", "reply"), waiting=situation == "waiting")
    return recognize(visible(text), rules=RULES, situation=refers, styles=styles())


def rows(name: str) -> list[tuple[str, str, str]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [(*line.split("\t"),) for line in lines if line and not line.startswith("#")]  # type: ignore[misc]


def options_of(intent: Intent) -> Counter[str]:
    """The options as a row writes them."""
    given = dict(intent.options.given)
    if "watermark" in given:
        given["watermark"] = "yes" if given["watermark"] else "no"
    return Counter(f"{'n' if name == 'count' else name}={value}" for name, value in given.items())


def bare(prompt: str) -> str:
    """A prompt without the punctuation at its end, which is the rules' choice."""
    return prompt.rstrip(" 。.!！?？")


def image_of(rest: str) -> tuple[list[str], list[str]]:
    """The prompts of an expected image, of which one is right, and its options."""
    found = re.fullmatch(r"(.*?)((?:(?:^| )(?:size|n|watermark|quality|model|style)=\S+)*)", rest)
    assert found is not None
    return [bare(prompt) for prompt in found[1].split("|")], found[2].split()


def holds(intent: Intent, text: str, expectation: str) -> bool:
    """Whether an intent is what one expectation says."""
    kind, _, rest = expectation.partition(" ")
    if kind in ("image", "again"):
        prompts, options = image_of(rest)
        right = (
            intent.kind == "again" if kind == "again" else intent.kind == "prompt" and bare(intent.prompt) in prompts
        )
        return right and Counter(options) == options_of(intent)
    if kind == "edit":
        joint = ", " if text.isascii() else "，"
        wanted = [bare(prompt) for prompt in rest.split("|")]
        return intent.kind == "edit" and bare(f"一座红色的塔{joint}{intent.prompt}") in wanted
    if kind in ("card", "cancel"):
        name = getattr(intent.outcome, "name", "")
        return intent.kind == "command" and (rest or kind) in (name, PRICES.get(name))
    if kind == "free":
        return intent.kind not in ("prompt", "again")
    return intent.kind == {"ask": "ambiguous"}.get(kind, kind)


def is_right(situation: str, text: str, expects: str) -> bool:
    """Whether the bot understands a row."""
    intent = understood(situation, text)
    return any(holds(intent, text, one) for one in (expects, *expects.split("|")))


def is_paid_unasked(situation: str, text: str, expects: str) -> bool:
    """Whether a row is paid that does not ask for an image."""
    paid = understood(situation, text).kind in ("prompt", "again")
    return paid and re.search(r"(?:^|\|)(?:image|again|card again)(?: |\||$)", expects) is None


def test_what_people_type_is_understood_and_nothing_else_is_paid() -> None:
    for table, share in (("utterances.tsv", 1.0), ("utterances_more.tsv", 0.99)):
        wrong = [row for row in rows(table) if not is_right(*row)]
        assert len(wrong) <= len(rows(table)) * (1 - share), wrong
        assert [row for row in rows(table) if is_paid_unasked(*row)] == []


FORMS = ["好的，{}", "{}，谢谢", "{} 👍", "{}！", "嗨，{}", "{}哈", "哈哈，{}", "{} 😀", "嗯嗯 {}", "请问{}", "{}～"]


def test_thanks_and_greetings_make_nothing_a_prompt() -> None:
    free = [
        row for row in rows("utterances_more.tsv") if not re.search(r"image|again", row[2]) and row[1][0] not in "/@"
    ]
    said = [(situation, form.format(text)) for (situation, text, _), form in zip(free, cycle(FORMS), strict=False)]
    paid = [row for row in said if understood(*row).kind in ("prompt", "again")]
    assert [text for _, text in paid if "一只猫 /" not in text] == []
