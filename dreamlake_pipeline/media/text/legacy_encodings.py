"""Which legacy encoding some text is in: those carry no mark, so the letters that come out have to tell.

Each candidate is a codec and a language that is written with it. Its score is the likelihood of the characters that it
makes of the bytes beyond ASCII, as that language has them. General-purpose detectors need some hundred letters;
three subtitles with a dozen are enough here, since the candidates are few and the letters of each are known.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Guess:
    """A Python codec; `certain` when no other that would give another text is nearly as likely."""

    codec: str
    certain: bool


@dataclass(frozen=True, slots=True)
class _Language:
    """`letters` beyond ASCII, the commonest first; `share` of them among all letters; `codecs`, the commonest first."""

    tags: tuple[str, ...]
    codecs: tuple[str, ...]
    letters: str
    share: float = 1.0
    marks: str = ""


_WESTERN = ("cp1252", "iso8859_15")
_CENTRAL = ("cp1250", "iso8859_2")
_CYRILLIC = ("cp1251", "koi8_r", "iso8859_5")
_KANA = "のいたにるをてがはしなとでかもこれんさらきりっあくよすだまうけつどせえめそわみばろねちじおやほべへごげゃょゅび"
_LANGUAGES = (
    _Language(("en",), _WESTERN, "éèï", 0.0005, "’“”‘"),
    _Language(("de",), _WESTERN, "üäößé", 0.02, "„“"),
    _Language(("fr",), _WESTERN, "éèàêçôûîâùœïë", 0.04, "’«»\xa0"),
    _Language(("es", "gl"), _WESTERN, "óíáéñúü", 0.035, "¿¡"),
    _Language(("pt",), _WESTERN, "ãéáçíóêõúâàô", 0.04),
    _Language(("it",), _WESTERN, "èàéùòìÈ", 0.03, "’"),
    _Language(("ca",), _WESTERN, "àéíèçóòúïü", 0.03, "’·"),
    _Language(("nl", "af"), _WESTERN, "ëéïöüè", 0.004, "’"),
    _Language(("sv", "fi"), _WESTERN, "äåöé", 0.05, "”"),
    _Language(("da", "nb", "nn", "no"), _WESTERN, "øåæé", 0.035, "»«"),
    _Language(("is",), ("cp1252",), "íáðóéúþöæý", 0.1, "„“"),
    _Language(("et",), ("cp1257", "cp1252"), "äõüöšž", 0.04, "„“"),
    _Language(("pl",), _CENTRAL, "łęąóżśćńź", 0.07, "„”"),
    _Language(("cs",), _CENTRAL, "íáéěřšžčýůúťďňó", 0.13, "„“"),
    _Language(("sk",), _CENTRAL, "áíéýščžľúťôňäďó", 0.12, "„“"),
    _Language(("hu",), _CENTRAL, "éáöőóíüúű", 0.13, "„”"),
    _Language(("ro",), _CENTRAL, "ăîşţâ", 0.06, "„”"),
    _Language(("hr", "sl", "bs", "sr"), _CENTRAL, "čšžćđ", 0.04, "„”"),
    _Language(("tr",), ("cp1254",), "ışüğçöâ", 0.1, "’“”"),
    _Language(("lt",), ("cp1257",), "ėšžųįūąčę", 0.07, "„“"),
    _Language(("lv",), ("cp1257",), "āīēšņūģļķžč", 0.09, "„“"),
    _Language(("ru",), _CYRILLIC, "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё", marks="«»"),
    _Language(("uk",), _CYRILLIC, "оаинітевслркдумяпзьбгчйхжюїцшєщфґ", marks="«»’"),
    _Language(("bg", "mk"), _CYRILLIC, "аиоетнрсвлпкмдзяъубгчщжйхцшюфь", marks="„“"),
    _Language(("sr",), _CYRILLIC, "аоиенрсјтувкдмпљзбчцгхњжшћђфџ", marks="„“"),
    _Language(("el",), ("cp1253", "iso8859_7"), "αοιετνσρκπυλςμήίάόέηγθωδύφχώβξζψϊϋ", marks="«»"),
    _Language(("he",), ("cp1255",), "יוהלאתרמבשנעדחקפזגכםטסןצץךף", marks="”"),
    _Language(("ar", "fa", "ur"), ("cp1256", "iso8859_6"), "اليمنورتبهعدسفكقحجشصطخذةىأإضزثغءئؤظآ", marks="،؟"),
    _Language(("th",), ("cp874",), "านรอกเง่มย้ลวดทสัตีะปบิแไหุขคใูจช์โพถ็ณืผศธ"),
    _Language(("ja",), ("cp932", "euc_jp"), _KANA + "ーンスルトラリクイアシタカドレ", marks="。、？！…「」　"),
    _Language(
        ("zh",),
        ("gb18030",),
        "的我你是了不在一有这他么们个什人好那来吗道说要知没去到会就她都很想看过吧能为天时以可谢大得走做事还",
        marks="。，？！…“”",
    ),
    _Language(
        ("zh",),
        ("big5",),
        "的我你是了不在一有這他麼們個什人好那來嗎道說要知沒去到會就她都很想看過吧能為天時以可謝大得走做事還",
        marks="。，？！…「」",
    ),
    _Language(
        ("ko",),
        ("cp949",),
        "이다는가지어요고에은그나을아사하를해니도한거기서자있게리내라무일당만인안로여대야시어",
        marks="…",
    ),
)
# How much rarer files of an encoding are than those of Windows-1252, as a logarithm.
_RARITY = {
    "cp1252": 0.0,
    "cp1250": 2.0,
    "cp1251": 1.0,
    "cp932": 1.0,
    "gb18030": 1.0,
    **dict.fromkeys(("iso8859_15", "iso8859_2", "iso8859_7", "iso8859_6", "iso8859_5", "koi8_r", "euc_jp"), 3.0),
}
_RARE = 2.0
_HINT = 10.0  # what a language that the file or its name tells is worth
_MARGIN = 5.0  # by which the best must be likelier to be certain
_MOST_WORDS = 1000

_ANY_MARKS = "’“”‘„…–—«»°€£§\xa0•·´"
_ANY_MARK = 5e-4
_SIGNS = "½¼¾©®™±×²³"
_SIGN = 1e-4
_OWN_MARK = 5e-3
_CAPITAL = 0.06  # as often as the small letter
_SAME_SCRIPT = 1e-4
_FOREIGN = 1e-6
_CONTROL = 1e-9
_MIXED = math.log(1e-3)  # letters of two scripts side by side, a capital behind a small letter, a sign inside a word
_BLANKS = re.compile(rb"[\t\n\r ]+")


def guess_legacy_encoding(sample: bytes, language: str | None = None) -> Guess:
    """The likeliest encoding of text that is not UTF-8; `language` is its BCP 47 tag where something tells it."""
    words = b" ".join([word for word in _BLANKS.split(sample) if not word.isascii()][:_MOST_WORDS])
    primary = (language or "").split("-")[0].lower()
    readings: dict[str, _Reading] = {}
    scores: dict[str, tuple[float, str]] = {}  # by the text that comes out
    for found in _LANGUAGES:
        for codec in found.codecs:
            reading = readings.get(codec) or readings.setdefault(codec, _Reading(words.decode(codec, "replace")))
            score = reading.likelihood(found) - _RARITY.get(codec, _RARE) + _HINT * (primary in found.tags)
            scores[reading.text] = max(scores.get(reading.text, (-math.inf, "")), (score, codec))
    (best, codec), *others = sorted(scores.values(), reverse=True)
    return Guess(codec, certain=not others or best - others[0][0] >= _MARGIN)


class _Reading:
    """What a codec makes of some words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._counts = {char: count for char, count in Counter(text).items() if not char.isascii()}
        self._oddities = {latin: _count_oddities(text, latin=latin) for latin in (False, True)}

    def likelihood(self, language: _Language) -> float:
        """The logarithm of how likely the characters beyond ASCII are in a language."""
        known = _frequencies(language)
        total = sum(
            count * math.log(known.get(char) or _frequency_of_other(char, language))
            for char, count in self._counts.items()
        )
        return total + _MIXED * self._oddities[language.share < 1]


@cache
def _frequencies(language: _Language) -> Mapping[str, float]:
    """How often each character beyond ASCII comes, from the first letter to the last 20 times rarer."""
    steps = [20 ** (-at / (len(language.letters) - 1)) for at in range(len(language.letters))]
    scale = language.share / sum(steps)
    found = (
        dict.fromkeys(_SIGNS, _SIGN) | dict.fromkeys(_ANY_MARKS, _ANY_MARK) | dict.fromkeys(language.marks, _OWN_MARK)
    )
    for letter, step in zip(language.letters, steps, strict=True):
        found[letter] = step * scale
        if letter.upper() != letter and len(letter.upper()) == 1:
            found.setdefault(letter.upper(), step * scale * _CAPITAL)
    return found


def _frequency_of_other(char: str, language: _Language) -> float:
    """How often a character comes that is no common one of the language."""
    if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cn", "Co"):
        return _CONTROL
    if language.share == 1 and char.isalpha() and _script(char) == _script(language.letters[0]):
        return _SAME_SCRIPT if _is_common(char, language.codecs[0]) else _FOREIGN
    return _FOREIGN


@cache
def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0].split("-")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "CJK") else name


# The bytes with which the characters begin that the standards under East Asian encodings have as their common ones.
_COMMON = {
    "cp932": range(0x81, 0x99),
    "gb18030": range(0xB0, 0xD8),
    "big5": range(0xA4, 0xC7),
    "cp949": range(0xB0, 0xC9),
}


@cache
def _is_common(char: str, codec: str) -> bool:
    if codec not in _COMMON:
        return True
    try:
        data = char.encode(codec)
    except UnicodeEncodeError:
        return False
    return len(data) == 2 and data[0] in _COMMON[codec]


_SIGN_INSIDE = re.compile(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’·\xad‘](?=[^\W\d_])")


def _count_oddities(text: str, *, latin: bool) -> int:
    """How many times two characters stand side by side that don't in words."""
    pairs = [pair for pair in pairwise(text) if not (pair[0].isascii() and pair[1].isascii())]
    odd = sum(one.islower() and two.isupper() for one, two in pairs)
    if latin:
        return odd + len(_SIGN_INSIDE.findall(text))
    return odd + sum(one.isascii() != two.isascii() and _is_letter(one) and _is_letter(two) for one, two in pairs)


@cache
def _is_letter(char: str) -> bool:
    """Whether it is a letter, or a mark on one, as the vowels of Thai are."""
    return unicodedata.category(char)[0] in "LM"
