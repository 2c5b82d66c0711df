"""What has digits, or an @, and is none of the kinds to be found: times, prices, ids; no dependency on the bridge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.detection.invented_cards import digits, ean, imei, reference, with_check_digit
from tests.detection.labelled_texts import SpelledValue
from tests.detection.spellings import bare, of_reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_EARLIEST, _LATEST = 1_577_836_800, 1_893_456_000  # 2020 to 2030, seconds since the epoch
_PREFIXES: Final = ("", "", "", "", "A-", "ORD-", "2026/", "SO", "K ", "EU-")


def _as(name: str, text: str) -> SpelledValue:
    return SpelledValue(text, (), name)


def moment(draw: Random) -> SpelledValue:
    seconds = draw.randrange(_EARLIEST, _LATEST)
    micros = draw.randrange(1_000_000)
    when = datetime.fromtimestamp(seconds, UTC)
    day = draw.choice(("%d.%m.%Y", "%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%Y%m%d"))
    clock = draw.choice(("%H:%M", "%H:%M:%S", "%H.%M"))
    match draw.randrange(9):
        case 0 | 1:
            value = _as("epoch milliseconds", f"{seconds}{micros // 1000:03d}")
        case 2 | 3:
            value = _as("epoch microseconds", f"{seconds}{micros:06d}")
        case 4:
            value = _as("epoch seconds", str(seconds))
        case 5:
            value = _as("ISO 8601", when.strftime("%Y-%m-%dT%H:%M:%S") + f".{micros:06d}Z")
        case 6:
            value = _as("packed time", when.strftime("%Y%m%d%H%M%S"))
        case 7:
            value = _as("range of days", when.strftime(day) + draw.choice((" - ", "-", " / ")) + when.strftime(day))
        case _:
            value = _as("day and time", when.strftime(f"{day} {clock}"))
    return value


def date(draw: Random) -> str:
    return f"{draw.randint(1, 28)}.{draw.randint(1, 12)}.2026"


def price(draw: Random) -> str:
    return f"{draw.randint(1, 999)},{draw.randint(0, 99):02d} {draw.choice(('€', 'EUR', 'PLN'))}"


def money(draw: Random) -> SpelledValue:
    amount = draw.randrange(10 ** draw.randint(2, 13))
    grouped = f"{amount:,}"
    cents = f"{draw.randrange(100):02d}"
    match draw.randrange(6):
        case 0:
            value = _as("price", f"{grouped}.{cents} USD")
        case 1:
            value = _as("price", f"{grouped.replace(',', '.')},{cents} €")
        case 2:
            value = _as("price", f"{grouped.replace(',', ' ')},{cents} zł")
        case 3:
            value = _as("price", f"{grouped.replace(',', chr(0x202F))},{cents} €")
        case 4:
            value = _as("price", f"CHF {grouped.replace(',', chr(0x2019))}.{cents}")
        case _:
            value = _as("price", f"£{amount}.{cents}")
    return value


def amount(draw: Random) -> SpelledValue:
    number = digits(draw, draw.randint(1, 11))
    if draw.random() < 0.3:
        return _as("grouped amount", f"{int(number):,}".replace(",", draw.choice((",", ".", " "))))
    return _as("amount", number)


def _hexadecimal(draw: Random, count: int) -> str:
    return "".join(draw.choices("0123456789abcdef", k=count))


def _uuid(draw: Random) -> str:
    return "-".join(
        (
            _hexadecimal(draw, 8),
            _hexadecimal(draw, 4),
            "4" + _hexadecimal(draw, 3),
            "a" + _hexadecimal(draw, 3),
            _hexadecimal(draw, 12),
        )
    )


def _address(draw: Random) -> str:
    return ".".join(str(draw.randrange(256)) for _ in range(4))


def _version(draw: Random) -> str:
    return ".".join(str(draw.randrange(10 ** draw.randint(1, 4))) for _ in range(draw.randint(2, 4)))


def _coordinates(draw: Random) -> str:
    return f"{draw.uniform(-89, 89):.{draw.randint(4, 8)}f}, {draw.uniform(-179, 179):.{draw.randint(4, 8)}f}"


def _url(draw: Random) -> str:
    path = draw.choice(
        ("orders/{}", "item?id={}", "video/{}/play", "p/{}.html", "track?code={}&lang=en", "doc/{}#page=2")
    )
    return draw.choice(("https://shop.example/", "www.example.com/", "http://portal.example.org/x/")) + path.format(
        reference(draw)
    )


_TECHNICAL: Final[dict[str, Callable[[Random], str]]] = {
    "UUID": _uuid,
    "hexadecimal": lambda draw: (
        draw.choice(("0x", "", "#")) + "e" + _hexadecimal(draw, draw.choice((5, 7, 15, 31, 39)))
    ),
    "MAC address": lambda draw: ":".join(_hexadecimal(draw, 2) for _ in range(6)),
    "IPv4 address": lambda draw: _address(draw) + draw.choice(("", "", ":8080", "/24", "/16")),
    "IPv6 address": lambda draw: "2001:db8:" + ":".join(_hexadecimal(draw, 4) for _ in range(6)),
    "version": lambda draw: draw.choice(("v", "", "build ")) + _version(draw),
    "coordinates": _coordinates,
    "URL with an id": _url,
    "package and version": lambda draw: f"left-pad@{_version(draw)}",
    "handle": lambda draw: f"@user{draw.randrange(10**6)}",
    "screen size": lambda draw: f"{draw.randint(300, 4000)}x{draw.randint(300, 4000)}",
}


def technical(draw: Random) -> SpelledValue:
    name = draw.choice(list(_TECHNICAL))
    return _as(name, _TECHNICAL[name](draw))


def tracking(draw: Random) -> SpelledValue:
    match draw.randrange(6):
        case 0:
            value = _as("DHL", "00340" + digits(draw, 15))
        case 1:
            value = _as("UPS", "1Z" + _hexadecimal(draw, 6).upper() + digits(draw, 10))
        case 2:
            value = _as("USPS", " ".join(("9400", *(digits(draw, 4) for _ in range(4)), digits(draw, 2))))
        case 3:
            value = _as("postal", "RR" + digits(draw, 9) + draw.choice(("GB", "DE", "FR", "PL")))
        case 4:
            value = _as("parcel service", with_check_digit(digits(draw, draw.choice((11, 13, 14, 15)))))
        case _:
            value = of_reference(reference(draw), draw)
    return value


def numbered(draw: Random) -> SpelledValue:
    """The number of an order, an invoice or a ticket."""
    return of_reference(reference(draw), draw).after(draw.choice(_PREFIXES))


def device(draw: Random) -> SpelledValue:
    number = imei(draw)
    match draw.randrange(4):
        case 0:
            return _as("with hyphens", f"{number[:2]}-{number[2:8]}-{number[8:14]}-{number[14]}")
        case 1:
            return _as("with blanks", f"{number[:2]} {number[2:8]} {number[8:14]} {number[14]}")
        case _:
            return bare(number)


def article(draw: Random) -> SpelledValue:
    number = ean(draw)
    match draw.randrange(4):
        case 0:
            return _as("as printed", f"{number[0]} {number[1:7]} {number[7:]}")
        case 1:
            return _as("with hyphens", f"{number[:3]}-{number[3]}-{number[4:6]}-{number[6:12]}-{number[12]}")
        case _:
            return bare(number)
