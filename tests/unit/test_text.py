"""Which characters of a text are invisible, by Unicode's own list and not by the code's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.text import is_blank, visible

# DerivedCoreProperties.txt of Unicode 16, property Default_Ignorable_Code_Point, line by line.
DEFAULT_IGNORABLE = """
00AD 034F 061C 115F..1160 17B4..17B5 180B..180D 180E 180F 200B..200F 202A..202E 2060..2064 2065 2066..206F 3164
FE00..FE0F FEFF FFA0 FFF0..FFF8 1BCA0..1BCA3 1D173..1D17A E0000 E0001 E0002..E001F E0020..E007F E0080..E00FF
E0100..E01EF E01F0..E0FFF
"""
AFTER_HAN = {*range(0xFE00, 0xFE03), *range(0xE0100, 0xE01F0)}


def code_points(listed: str) -> list[int]:
    ranges = [part.partition("..") for part in listed.split()]
    return [code for low, _, high in ranges for code in range(int(low, 16), int(high or low, 16) + 1)]


ignorable = st.sampled_from(code_points(DEFAULT_IGNORABLE)).map(chr)
junk = st.lists(ignorable | st.sampled_from("\0\x07\x1b\x7f\u2800\ufffc"), max_size=4).map("".join)


@given(st.lists(st.tuples(st.sampled_from("abcZ/ ,:169xèяあ한\n"), junk), min_size=1, max_size=12), st.text())
def test_ignorable_characters_disappear_anywhere(parts: list[tuple[str, str]], text: str) -> None:
    """Between signs of scripts that need none of them none is left and no other is lost; what was cleaned is clean."""
    typed = "".join(sign + hidden for sign, hidden in parts)
    assert visible(typed) == "".join(sign for sign, _ in parts)
    assert visible(visible(text)) == visible(text)


NEEDED = [
    *("👩🏽\u200d💻", "❤\ufe0f\u200d🔥", "👁\ufe0f\u200d🗨\ufe0f", "1\ufe0f\u20e3", "#\ufe0f\u20e3", "™\ufe0e"),
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    *("می\u200cخواهم", "ක්\u200dෂ", "क्\u200cष", "ന്\u200d", "ᠠ\u180b", "葛\U000e0100城", "神\ufe00"),
    *("⠓\u2800⠊", "ᄀ\u1160ᆨ", "一行\r\n\t两行"),
]
NOT_NEEDED = {
    "a\u200db": "ab",
    "🐱\ufe0f\ufe0f": "🐱\ufe0f",
    "🐱\u200d": "🐱",
    "۱\u200c۲": "۱۲",
    "🏴\U000e0061\U000e0062猫": "🏴猫",
    "猫\U000e0068\U000e0069": "猫",
    "一行\x0b两行\u2028三行": "一行\n两行\n三行",
}


def test_what_an_emoji_or_a_script_needs_stays_and_the_rest_goes() -> None:
    """Joiners, selectors, tags and fillers stay where they change what is seen, whatever stands around them.

    The same characters go where they change nothing; other signs of a line's end become one.
    """
    assert [visible(text) for text in NEEDED] == NEEDED
    assert [visible(f"\u200b{text}\ufeff 猫\ufe0f") for text in NEEDED] == [f"{text} 猫" for text in NEEDED]
    assert [text for text in NEEDED if is_blank(text)] == []
    assert {text: visible(text) for text in NOT_NEEDED} == NOT_NEEDED
    # Around a Chinese word only a variant of an ideograph stays.
    hidden = [chr(code) for code in code_points(DEFAULT_IGNORABLE) if code not in AFTER_HAN]
    assert {one for one in hidden if visible(f"{one}帮{one}助{one}") != "帮助"} == set()
    blank = ["", " \u3000\n", "\u3164", "\ufe0f", "\u2800\u2800", "\u0301", "\ufeff\u00ad \0"]
    assert [text for text in blank if not is_blank(text)] == []
