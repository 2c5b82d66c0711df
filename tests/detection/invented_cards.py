"""Numbers of payment cards, IBANs and what is counted like them, drawn at random; no dependency on the bridge.

Sources: ISO/IEC 7812 with the ranges that the issuers publish; SWIFT's registry of IBAN structures; 3GPP TS 23.003 for
IMEIs; GS1 General Specifications for EAN-13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

# (first digits from, to, lengths, how often)
_ISSUERS: Final = (
    (4, 4, (16,), 30),  # Visa
    (4, 4, (19,), 2),
    (51, 55, (16,), 18),  # Mastercard
    (2221, 2720, (16,), 7),
    (34, 34, (15,), 3),  # American Express
    (37, 37, (15,), 8),
    (6011, 6011, (16,), 3),  # Discover
    (644, 659, (16,), 3),
    (300, 305, (14,), 2),  # Diners Club
    (36, 36, (14,), 3),
    (38, 39, (14,), 1),
    (3528, 3589, (16,), 5),  # JCB
    (620, 625, (16, 17, 18, 19), 5),  # UnionPay
    (5018, 5018, (16, 18, 19), 1),  # Maestro
    (5020, 5020, (16, 18, 19), 1),
    (5893, 5893, (16, 18, 19), 1),
    (6304, 6304, (16, 18, 19), 1),
    (6759, 6763, (16, 18, 19), 3),
    (2200, 2204, (16,), 2),  # Mir
    (979200, 979289, (16,), 1),  # Troy
)

# country: the account number's parts, n digits, a capital letters, c either
_IBANS: Final = {
    "DE": "18n",
    "FR": "10n11c2n",
    "ES": "20n",
    "IT": "1a10n12c",
    "PT": "21n",
    "NL": "4a10n",
    "PL": "24n",
    "GB": "4a14n",
    "IE": "4a14n",
    "BE": "12n",
    "AT": "16n",
    "CH": "5n12c",
    "LI": "5n12c",
    "LU": "3n13c",
    "DK": "14n",
    "SE": "20n",
    "NO": "11n",
    "FI": "14n",
    "IS": "22n",
    "CZ": "20n",
    "SK": "20n",
    "HU": "24n",
    "RO": "4a16c",
    "BG": "4a6n8c",
    "HR": "17n",
    "SI": "15n",
    "EE": "16n",
    "LV": "4a13c",
    "LT": "16n",
    "GR": "7n16c",
    "CY": "8n16c",
    "MT": "4a5n18c",
    "MC": "10n11c2n",
    "TR": "6n16c",
    "SA": "2n18c",
    "AE": "19n",
    "IL": "19n",
    "QA": "4a21c",
    "BR": "23n1a1c",
    "UA": "6n19c",
}
HOME: Final = {"en": "GB", "de": "DE", "fr": "FR", "es": "ES", "it": "IT", "pt": "PT", "nl": "NL", "pl": "PL"}
"""The country that most accounts and telephones are from, by language."""

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digits(draw: Random, count: int) -> str:
    return "".join(draw.choices("0123456789", k=count))


def _mod_ten(number: str) -> int:
    """ISO/IEC 7812's sum of a number with its check digit, modulo ten."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) << (place & 1)
        total += value // 10 + value % 10
    return total % 10


def with_check_digit(payload: str) -> str:
    return payload + str(-_mod_ten(payload + "0") % 10)


def card(draw: Random) -> str:
    low, high, lengths, _ = draw.choices(_ISSUERS, [row[3] for row in _ISSUERS])[0]
    first = str(draw.randint(low, high))
    return with_check_digit(first + digits(draw, draw.choice(lengths) - 1 - len(first)))


def wrong_card(draw: Random) -> str:
    """A card's number with one digit typed wrong, never the first four."""
    number = card(draw)
    place = draw.randrange(4, len(number))
    other = str((int(number[place]) + draw.randint(1, 9)) % 10)
    return number[:place] + other + number[place + 1 :]


def iban(draw: Random, language: str) -> str:
    country = HOME[language] if draw.random() < 0.5 else draw.choice(list(_IBANS))
    account, count = "", ""
    for sign in _IBANS[country]:
        if sign.isdigit():
            count += sign
            continue
        alphabet = {"n": "0123456789", "a": _LETTERS, "c": "0123456789" * 3 + _LETTERS}[sign]
        account += "".join(draw.choices(alphabet, k=int(count)))
        count = ""
    as_number = int("".join(str(int(sign, 36)) for sign in account + country + "00"))
    return f"{country}{98 - as_number % 97:02d}{account}"


def imei(draw: Random) -> str:
    return with_check_digit(draw.choice(("35", "86", "01", "99", "49")) + digits(draw, 12))


def ean(draw: Random) -> str:
    payload = draw.choice(("40", "42", "50", "30", "84", "80", "56", "87", "59", "978", "979"))
    payload += digits(draw, 12 - len(payload))
    weighted = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(payload))
    return payload + str(-weighted % 10)


def reference(draw: Random) -> str:
    """The number of an order, a ticket or the like; a third of them could be cards by all that their digits say."""
    chance = draw.random()
    if chance < 0.35:
        return card(draw)
    if chance < 0.65:
        return with_check_digit(digits(draw, draw.randint(11, 18)))
    return digits(draw, draw.randint(5, 20))
