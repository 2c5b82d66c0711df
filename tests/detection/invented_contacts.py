"""E-mail addresses and telephone numbers, drawn at random; no dependency on the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.detection.invented_cards import digits
from tests.detection.labelled_texts import SpelledValue
from tests.detection.spellings import in_script, join, pairs, threes, whole

if TYPE_CHECKING:
    from random import Random

# calling code, what stands before the area code at home, area codes with the number of digits after them; ITU-T E.164
_PLANS: Final = {
    "en": (
        ("44", "0", {"20": 8, "161": 7, "7911": 6, "7700": 6, "1632": 6}),
        ("1", "", {"212": 7, "415": 7, "617": 7}),
    ),
    "de": (
        ("49", "0", {"30": 8, "89": 7, "221": 7, "171": 7, "1522": 7, "6221": 6}),
        ("43", "0", {"1": 7, "664": 7}),
    ),
    "fr": (("33", "0", {"1": 8, "4": 8, "6": 8, "7": 8}), ("32", "0", {"2": 7, "475": 6})),
    "es": (("34", "", {"612": 6, "655": 6, "911": 6, "934": 6}), ("52", "", {"55": 8, "33": 8})),
    "it": (("39", "", {"347": 7, "320": 7, "06": 8, "02": 8}), ("41", "0", {"91": 7, "79": 7})),
    "pt": (("351", "", {"912": 6, "213": 6, "936": 6}), ("55", "", {"11": 8, "21": 9})),
    "nl": (("31", "0", {"20": 7, "6": 8, "30": 7}), ("32", "0", {"3": 7, "486": 6})),
    "pl": (("48", "", {"22": 7, "601": 6, "512": 6}), ("49", "0", {"30": 8, "341": 7})),
}
_BLANKS: Final = {
    "blank": " ",
    "no-break blank": "\u00a0",
    "narrow blank": "\u202f",
    "double blank": "  ",
    "hyphen": "-",
    "no-break hyphen": "\u2011",
    "en dash": "\u2013",
    "dot": ".",
    "slash": "/",
    "entity nbsp": "&nbsp;",
}
_NAMES: Final = (
    ("anna", "maria", "jan", "piotr", "lucas", "chloe", "j", "k.m", "sofia", "info", "buchhaltung", "x_y", "o'neil"),
    ("müller", "núñez", "łukasz", "françois", "joão"),
)
_SURNAMES: Final = ("kowalska", "smith", "de.vries", "rossi", "garcia-lopez", "meier", "dupont", "1984", "")
_HOSTS: Final = (
    "example.com",
    "mail.example.org",
    "post.example.co.uk",
    "a1.example.net",
    "example.fr",
    "kanzlei-nord.example.org",
)
_OTHER_HOSTS: Final = (
    "bücher.example.com",
    "xn--bcher-kva.example.com",
    "пример.example.org",
    "例え.example.net",
    "例え.テスト",
)


def email(draw: Random) -> SpelledValue:
    """An address; all of it tells who it is."""
    name = draw.choice(_NAMES[0])
    surname = draw.choice(_SURNAMES)
    local = name + (draw.choice(".-_") + surname if surname else str(draw.randint(1, 99)))
    host = draw.choice(_HOSTS)
    at, spelling = "@", "plain"
    match draw.randrange(8):
        case 0 | 1:
            local, spelling = f"{local}+{draw.choice(('shop', 'news', 'x1', '2026'))}", "plus"
        case 2:
            host, spelling = draw.choice(_OTHER_HOSTS), "international host"
        case 3:
            local, spelling = f"{draw.choice(_NAMES[1])}.{surname or 'x'}", "international name"
        case 4:
            at, spelling = "\uff20", "full-width @"
        case 5:
            local, host, spelling = local.title(), host.upper(), "capitals"
        case _:
            pass
    address = local + at + host
    return SpelledValue(address, tuple(range(len(address))), spelling)


def phone(draw: Random, language: str, *, called_so: bool) -> SpelledValue:
    """A number with calling code, or, where the text calls it a telephone's, as dialled at home."""
    home, abroad = _PLANS[language]
    code, trunk, areas = home if draw.random() < 0.8 else abroad
    area, size = draw.choice(list(areas.items()))
    rest = draw.choice((whole, threes, pairs))(str(draw.randint(2, 9)) + digits(draw, size - 1))
    blank_name = draw.choice(list(_BLANKS)) if draw.random() < 0.6 else "blank"
    blank = _BLANKS[blank_name]
    between = [blank] * (len(rest) - 1)
    match draw.randrange(7 if called_so else 4):
        case 0:
            spelled = join([code, area, *rest], [blank, blank, *between], f"international, {blank_name}").after("+")
        case 1:
            spelled = join([code, area, *rest], [""] * (len(rest) + 1), "international, bare").after("+")
        case 2:
            spelled = join(["00" + code, area, *rest], [blank, blank, *between], f"double zero, {blank_name}")
        case 3 if trunk:
            groups, separators = [code, trunk, area, *rest], [" (", ")", " ", *between]
            spelled = join(groups, separators, f"trunk digit in brackets, {blank_name}").after("+")
        case 3:
            spelled = join([code, area, *rest], [" (", ") ", *between], f"area in brackets, {blank_name}").after("+")
        case 4:
            spelled = join([trunk + area, *rest], [") ", *between], f"national, area in brackets, {blank_name}").after(
                "("
            )
        case 5:
            spelled = join([trunk + area, *rest], [blank, *between], f"national, {blank_name}")
        case _:
            spelled = join([trunk + area, *rest], [""] * len(rest), "national, bare")
    chance = draw.random()
    if chance < 0.04:
        return (
            SpelledValue(in_script(spelled.text, 0xFF10), spelled.telling, "full-width digits")
            if "&" not in spelled.text
            else spelled
        )
    if chance < 0.08:
        return SpelledValue(spelled.text, spelled.telling, "direction marks").after("\u202a") + "\u202c"
    return spelled
