"""Text that somebody else wrote, without what a database rejects and without what nobody can see."""

from __future__ import annotations

import re
import unicodedata
from string import ascii_letters, digits

_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = str.maketrans(dict.fromkeys("\x0b\x0c\x85\u2028\u2029", "\n"))
_CONTROLS = "\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
# Default_Ignorable_Code_Point: https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Blank Braille, and the anchors of annotations and objects, are not ignorable by default but just as invisible.
_INVISIBLE = f"{_CONTROLS}{_IGNORABLE}\u2800\ufff9-\ufffc"
_NEEDED_BY_SOME = "\u115f\u1160\u180b-\u180f\u200c\u200d\u2800\ufe00-\ufe02\ufe0e\ufe0f\U000e0100-\U000e01ef"

EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
"""The characters of emoji, as a part of a regular expression's set."""
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Letters and marks of the scripts in which a joiner changes a letter's shape: Arabic to Sinhala, Myanmar, Khmer, …
_JOINING = (
    "\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06ef\u06fa-\u06ff\u0710-\u0963\u0966-\u0df3\u1000-\u1049"
    "\u1050-\u109f\u1780-\u17d3\u1820-\u18aa\ua840-\ua873\ua8e0-\ua8ff\ufb50-\ufdfb\ufe70-\ufefc"
)
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca\u1039\u17d2"
_SUBDIVISION_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f"

_ANY = re.compile(f"[{_INVISIBLE}]")
_NEVER_NEEDED = re.compile(f"({_SUBDIVISION_FLAG})|(?![{_NEEDED_BY_SOME}])[{_INVISIBLE}]")
_UNNEEDED = re.compile(
    f"([{EMOJI}][\ufe0e\ufe0f]?(?:\u200d[{EMOJI}][\ufe0e\ufe0f]?)*"
    "|[0-9#*][\ufe0e\ufe0f]\u20e3"
    f"|[{_HAN}][\ufe00-\ufe02\U000e0100-\U000e01ef]"
    f"|(?<=[{_JOINING}])(?<!\\d)[\u200c\u200d](?=[{_JOINING}])(?!\\d)"
    f"|(?<=[{_VIRAMAS}])[\u200c\u200d]"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180f]"
    "|(?<=[\u1100-\u115e\ua960-\ua97c])\u1160|\u115f(?=[\u1161-\u11a7\ud7b0-\ud7c6])"
    "|(?<=[\u2801-\u28ff])\u2800|\u2800(?=[\u2801-\u28ff]))"
    f"|[{_NEEDED_BY_SOME}]"
)


# ASCII for what input methods write instead. Other full-width signs stay: a comma or a bracket ends a link or a value.
_PLAIN = {
    **{ord(sign) + 0xFEE0: ord(sign.lower()) for sign in f'{ascii_letters}{digits}/:-=*"_.'},
    **{code: code + 0x20 for code in range(ord("A"), ord("Z") + 1)},
    **dict.fromkeys(map(ord, "×✕✖╳"), ord("x")),
    **dict.fromkeys(map(ord, "∶︰﹕"), ord(":")),
    **dict.fromkeys(map(ord, "–―"), ord("—")),
    **dict.fromkeys(map(ord, "\u3000\u00a0"), ord(" ")),
}


def fold(text: str) -> str:
    """The text for matching: full-width and input-method forms as ASCII, in lower case, at the same length."""
    return text.translate(_PLAIN)


def storable(text: str) -> str:
    """The text without what a database rejects: NUL is removed, half of a surrogate pair becomes ``U+FFFD``."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def visible(text: str) -> str:
    """The text without control characters, but for tabs and line ends, and Unicode's default-ignorable characters.

    These stay inside an emoji, and where a script needs them: joiners between Arabic or Indic letters, a variation
    selector after Han or Mongolian.
    """
    rest = _NEVER_NEEDED.sub(lambda match: match[1] or "", text.translate(_LINE_ENDS))
    return _UNNEEDED.sub(lambda match: match[1] or "", rest)


def bare(text: str) -> str:
    """The text without any invisible character, whether or not an emoji or a script needs it."""
    return _ANY.sub("", text)


def is_blank(text: str) -> bool:
    """Whether a text says nothing: it has only spaces, combining marks and what cannot be seen."""
    return not _has(text, besides="ZMC")


def says_something(text: str) -> bool:
    """Whether a text has more than punctuation, spaces, combining marks and what cannot be seen."""
    return _has(text, besides="ZMCP")


def _has(text: str, *, besides: str) -> bool:
    # An emoji may be newer than the tables of this Python, which count it among the unassigned.
    return any(
        unicodedata.category(character)[0] not in besides or "\U0001f000" <= character <= "\U0001faff"
        for character in bare(text)
    )


# Control characters, and signs that turn round what follows them, so that a prompt could read as another one.
_NEVER_SHOWN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_TAG_OR_ENTITY = re.compile(r"<|&(?=#?\w+;)")


def sanitize(text: str) -> str:
    """The text for display, without control characters, but for tabs and line ends, and direction marks."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _NEVER_SHOWN.sub("", _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", lines))


def truncate(text: str, length: int) -> str:
    """At most ``length`` characters of the sanitized text; a cut ends in an ellipsis."""
    whole = sanitize(text)
    return whole if len(whole) <= length else whole[: length - 1] + "…"


def escape_tags(text: str) -> str:
    """The sanitized text for a text message, in which ``<`` and the ``&`` of an entity are full-width forms.

    ``<at user_id="all"></at>`` would notify everybody; whether entities are read back as tags is not documented.
    """
    return _TAG_OR_ENTITY.sub(lambda match: "＜" if match[0] == "<" else "＆", sanitize(text))
