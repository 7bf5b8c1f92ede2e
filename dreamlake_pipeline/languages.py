"""Languages that a file name's suffix may mean (`talk.en.vtt`, `talk.pt-BR.srt`), as BCP 47 tags (RFC 5646)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

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


def language_of_filename(filename: str) -> str | None:
    """The language that the last suffix but one names, as players expect it beside a video."""
    suffixes = PurePosixPath(filename).suffixes
    return normalize_language(suffixes[-2][1:]) if len(suffixes) > 1 else None


def _spell_subtag(subtag: str) -> str:
    """RFC 5646 section 2.1.1: regions in capitals, scripts in title case, the rest in lower case."""
    if len(subtag) == 2:
        return subtag.upper()
    return subtag.title() if len(subtag) == 4 and subtag.isalpha() else subtag.lower()
