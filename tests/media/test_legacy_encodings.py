"""Short texts of every encoding that subtitles and tables come in: guessed right, or the guess is said to be unsure."""

from __future__ import annotations

from itertools import combinations

import pytest

from dreamlake_pipeline.media.text.legacy_encodings import Guess, guess_legacy_encoding

SENTENCES = {
    ("cp1252", "de"): [
        "Wir müssen gehen.",
        "Das ist für dich.",
        "Schöne Grüße!",
        "Die Tür ist zu.",
        "Ich weiß es nicht.",
        "Er läuft über die Straße.",
    ],
    ("cp1252", "fr"): [
        "Où êtes-vous ?",
        "C’est très bien.",
        "Ça va, merci.",
        "Je l’ai déjà vu à Paris.",
        "Une forêt, une île.",
        "Elle a été blessée.",
    ],
    ("cp1252", "es"): [
        "¿Qué pasa?",
        "Mañana será otro día.",
        "El niño está aquí.",
        "¡Adiós!",
        "No sé dónde está.",
        "Él también vendrá.",
    ],
    ("cp1252", "pt"): ["Não sei.", "Você está bem?", "A informação não é boa.", "Amanhã às três.", "Coração de mãe."],
    ("cp1252", "it"): ["Perché no?", "È così.", "Non c’è più.", "La città è bella.", "Può darsi."],
    ("cp1252", "sv"): [
        "Hur mår du?",
        "Jag är här.",
        "Får jag gå?",
        "Vi åker på lördag.",
        "Det är bra, tack så mycket.",
    ],
    ("cp1252", "da"): ["Jeg er på vej.", "Hvor går du hen?", "Det er ærgerligt.", "Må jeg få øl?"],
    ("cp1252", "en"): ["“Don’t go,” she said.", "It’s a café…", "I’m here – wait!", "That’s what I’d do."],
    ("cp1252", "is"): ["Það er gott.", "Hvað segir þú?", "Ég er að fara."],
    ("iso8859_1", "de"): ["Wir müssen gehen.", "Das ist für dich.", "Schöne Grüße!", "Die Tür ist zu."],
    ("iso8859_1", "fr"): ["Où êtes-vous ?", "Ça va, merci.", "Je l'ai déjà vu à Paris.", "Une forêt, une île."],
    ("iso8859_15", "fr"): ["Le cœur de l'été.", "Cela coûte 5 €.", "Ma sœur est là.", "Un œuf très frais."],
    ("iso8859_15", "de"): ["Das kostet 5 €.", "Für 20 € gehört es dir."],
    ("cp1250", "pl"): [
        "Gdzie jesteś?",
        "Dziękuję bardzo.",
        "Muszę już iść.",
        "Cześć, co słychać?",
        "Źle się czuję.",
        "Żółta łódź.",
    ],
    ("iso8859_2", "pl"): [
        "Gdzie jesteś?",
        "Dziękuję bardzo.",
        "Muszę już iść.",
        "Cześć, co słychać?",
        "Źle się czuję.",
        "Żółta łódź.",
    ],
    ("cp1250", "cs"): [
        "Kde jsi?  Jsem tady, už běžím.",
        "Děkuji, to stačí.",
        "Příliš žluťoučký kůň.",
        "Měl jsem štěstí.",
        "Co děláš zítra?",
    ],
    ("iso8859_2", "cs"): [
        "Už běžím.",
        "Děkuji, to stačí.",
        "Příliš žluťoučký kůň.",
        "Měl jsem štěstí.",
        "Co děláš zítra?",
    ],
    ("cp1250", "hu"): [
        "Hol vagy? Jövök már.",
        "Köszönöm szépen.",
        "Nem tudom, miért.",
        "Ő is eljön.",
        "Gyűlölöm ezt a várost.",
        "Hűvös idő lesz.",
    ],
    ("cp1250", "ro"): ["Bună ziua.", "Mulţumesc foarte mult.", "Eşti aici?", "Nu ştiu ce să fac."],
    ("cp1250", "hr"): ["Gdje si? Već dolazim.", "Što radiš?", "Ne mogu više čekati.", "Žao mi je."],
    ("cp1251", "ru"): ["Где ты?", "Я не знаю.", "Спасибо большое!", "Мы должны идти.", "Что случилось?", "Всё хорошо."],
    ("koi8_r", "ru"): ["Где ты?", "Я не знаю.", "Спасибо большое!", "Мы должны идти.", "Что случилось?", "Всё хорошо."],
    ("iso8859_5", "ru"): [
        "Где ты?",
        "Я не знаю.",
        "Спасибо большое!",
        "Мы должны идти.",
        "Что случилось?",
        "Всё хорошо.",
    ],
    ("cp1251", "uk"): ["Де ти? Я тут.", "Дякую, їй добре.", "Що сталося?", "Це її будинок."],
    ("cp1251", "bg"): ["Къде си?", "Благодаря много.", "Не знам какво става.", "Тя е тук."],
    ("cp1253", "el"): ["Πού είσαι;", "Δεν ξέρω τίποτα.", "Ευχαριστώ πολύ.", "Άσε με ήσυχο.", "Τι έγινε;"],
    ("iso8859_7", "el"): ["Πού είσαι;", "Δεν ξέρω τίποτα.", "Ευχαριστώ πολύ.", "Άσε με ήσυχο.", "Τι έγινε;"],
    ("cp1254", "tr"): [
        "Neredesin?  Şimdi geliyorum.",
        "Teşekkür ederim.",
        "Bunu bilmiyorum, ağabey.",
        "Işık yandı.",
        "Çok güzel değil mi?",
    ],
    ("cp1255", "he"): ["איפה אתה?", "אני לא יודע.", "תודה רבה!", "מה קרה?"],
    ("iso8859_8", "he"): ["איפה אתה?", "אני לא יודע.", "תודה רבה!", "מה קרה?"],
    ("cp1256", "ar"): ["أين أنت؟", "لا أعرف.", "شكرا جزيلا!", "ماذا حدث؟"],
    ("iso8859_6", "ar"): ["أين أنت؟", "لا أعرف.", "شكرا جزيلا!", "ماذا حدث؟"],
    ("cp1257", "lt"): ["Kur tu esi? Aš čia.", "Ačiū, viskas gerai.", "Kodėl šiandien?", "Žinoma, ateisiu."],
    ("cp1257", "lv"): ["Kur tu esi? Es esmu šeit.", "Paldies, viss kārtībā.", "Kāpēc ne?"],
    ("cp874", "th"): ["คุณอยู่ที่ไหน", "ขอบคุณมาก", "ฉันไม่รู้", "เกิดอะไรขึ้น"],
    ("cp932", "ja"): [
        "どこにいるの?",
        "わかりません。",
        "ありがとう。",
        "行かなければならない。",
        "何があったの?",
        "そうですか。",
    ],
    ("euc_jp", "ja"): ["どこにいるの?", "わかりません。", "ありがとう。", "行かなければならない。", "何があったの?"],
    ("gb18030", "zh"): ["你在哪里?", "我不知道。", "谢谢大家。", "发生了什么事?", "我们走吧。"],
    ("big5", "zh-Hant"): ["你在哪裡?", "我不知道。", "謝謝大家。", "發生了什麼事?", "我們走吧。"],
    ("cp949", "ko"): ["어디 있어?", "모르겠어요.", "감사합니다.", "무슨 일이야?", "가자."],
}


def guesses(number: int, *, hint: bool) -> list[tuple[str, str, Guess]]:
    """Codec, text and what it is guessed to be, for every choice of so many sentences that need the codec."""
    found = []
    for (codec, language), sentences in SENTENCES.items():
        for some in combinations(sentences, number):
            text = "".join(f"{at}\n00:00:0{at},000 --> 00:00:0{at},900\n{line}\n\n" for at, line in enumerate(some, 1))
            data = text.encode(codec)
            if not data.isascii():
                found.append((codec, text, guess_legacy_encoding(data, language if hint else None)))
    return found


@pytest.mark.parametrize(("number", "least"), [(1, 0.88), (2, 0.98), (3, 0.98)])
def test_few_words_are_enough_most_often_and_where_not_the_guess_is_unsure(number: int, least: float) -> None:
    found = guesses(number, hint=False)
    wrong = [(codec, text, guess) for codec, text, guess in found if text.encode(codec).decode(guess.codec) != text]
    assert len(wrong) <= (1 - least) * len(found)
    assert not [case for case in wrong if case[2].certain]
    assert sum(not guess.certain for *_, guess in found) < 0.25 * len(found)


def test_the_language_settles_it() -> None:
    assert all(text.encode(codec).decode(guess.codec) == text for codec, text, guess in guesses(2, hint=True))


@pytest.mark.parametrize("data", [b"caf\xe9 \x81 na\xefve", b"\x80\x81\x82", bytes(range(128, 256)), b"\xff"])
def test_damaged_bytes_and_noise_have_a_guess_too(data: bytes) -> None:
    assert data.decode(guess_legacy_encoding(data).codec, "replace")


def test_one_damaged_byte_does_not_rule_an_encoding_out() -> None:
    data = "“Où êtes-vous ?” – “Ça va, je l’ai déjà vu à Paris.”".encode("cp1252")
    assert guess_legacy_encoding(data + b" \x81").codec == "cp1252"


def test_a_large_text_takes_no_longer_than_a_page_does() -> None:
    text = "Zażółć gęślą jaźń, dziękuję bardzo. " * 50_000
    assert guess_legacy_encoding(text.encode("cp1250")) == Guess("cp1250", certain=True)
