"""Languages as BCP 47 tags (RFC 5646): by their codes, and by the names that people give to files.

The codes are few on purpose. Every second word of three letters is a code of ISO 639-3: to langcodes 3.5.1, `cam`,
`arm`, `mic`, `run` and `top` of `front.cam.vtt` and the like are languages (Cemuhî, Armenian, Mi'kmaq, Rundi, Totonac).
It answers 8,703 of the 17,576 such words otherwise than this module, and still 167 where only languages with a code of
two letters count, `arm` and `run` among them. For names of languages it needs a second package (language_data), and its
import takes 31 ms of CPU: all that it would save is the table of ISO 639-2 codes.
"""

from __future__ import annotations

import re

# ISO 639-1, all of it.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
    eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv
    ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne
    ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st
    su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_ISO_639_1 = frozenset(_CODES.split())
# ISO 639-2 codes that media tools write in their place; BCP 47 wants the short form.
_ISO_639_2 = {
    "ara": "ar",
    "bul": "bg",
    "cat": "ca",
    "ces": "cs",
    "chi": "zh",
    "cze": "cs",
    "dan": "da",
    "deu": "de",
    "dut": "nl",
    "ell": "el",
    "eng": "en",
    "est": "et",
    "fas": "fa",
    "fin": "fi",
    "fra": "fr",
    "fre": "fr",
    "ger": "de",
    "gre": "el",
    "heb": "he",
    "hin": "hi",
    "hrv": "hr",
    "hun": "hu",
    "ind": "id",
    "ita": "it",
    "jpn": "ja",
    "kor": "ko",
    "lav": "lv",
    "lit": "lt",
    "nld": "nl",
    "nor": "no",
    "per": "fa",
    "pol": "pl",
    "por": "pt",
    "ron": "ro",
    "rum": "ro",
    "rus": "ru",
    "slk": "sk",
    "slo": "sk",
    "slv": "sl",
    "spa": "es",
    "srp": "sr",
    "swe": "sv",
    "tha": "th",
    "tur": "tr",
    "ukr": "uk",
    "vie": "vi",
    "zho": "zh",
}
# The usual names of languages, English and their own.
_NAMES_BY_TAG = {
    "ar": "arabic العربية",
    "bg": "bulgarian български",
    "cs": "czech čeština cesky",
    "da": "danish dansk",
    "de": "german deutsch",
    "el": "greek ελληνικά",
    "en": "english",
    "es": "spanish español espanol",
    "et": "estonian eesti",
    "fa": "persian farsi فارسی",
    "fi": "finnish suomi",
    "fr": "french français francais",
    "he": "hebrew עברית",
    "hi": "hindi हिन्दी",
    "hr": "croatian hrvatski",
    "hu": "hungarian magyar",
    "id": "indonesian",
    "it": "italian italiano",
    "ja": "japanese 日本語",
    "ko": "korean 한국어",
    "lt": "lithuanian lietuvių",
    "lv": "latvian latviešu",
    "nl": "dutch nederlands",
    "no": "norwegian norsk",
    "pl": "polish polski",
    "pt": "portuguese português portugues",
    "ro": "romanian română",
    "ru": "russian русский",
    "sk": "slovak slovenčina",
    "sl": "slovenian slovenščina",
    "sr": "serbian српски",
    "sv": "swedish svenska",
    "th": "thai ไทย",
    "tr": "turkish türkçe turkce",
    "uk": "ukrainian українська",
    "vi": "vietnamese",
    "zh": "chinese 中文",
}
_NAMES = {name: tag for tag, names in _NAMES_BY_TAG.items() for name in names.split()}
_TAG = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8})*)")


def normalize_language(tag: str) -> str | None:
    """The BCP 47 tag of a known language, in its usual spelling (`EN_us` is `en-US`); None for anything else."""
    found = _TAG.fullmatch(tag.strip())
    if not found:
        return None
    primary = found[1].lower()
    primary = _ISO_639_2.get(primary, primary)
    if primary not in _ISO_639_1:
        return None
    return "-".join([primary, *map(_spell_subtag, re.split("[-_]", found[2])[1:])])


def language_named(name: str) -> str | None:
    """The BCP 47 tag of a language by its English or its own name, whatever the case; None for any other word."""
    return _NAMES.get(name.strip().lower())


def _spell_subtag(subtag: str) -> str:
    """RFC 5646 section 2.1.1: regions in capitals, scripts in title case, the rest in lower case."""
    if len(subtag) == 2:
        return subtag.upper()
    return subtag.title() if len(subtag) == 4 and subtag.isalpha() else subtag.lower()
