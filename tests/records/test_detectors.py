from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.records import detectors, patterns


def found(detector: detectors.Detector, text: str) -> list[str]:
    return [text[start:end] for start, end in detector(text)]


SEPARATORS = [
    "\u00a0",
    "\u2013",
    "\u2011",
    "\u2212",
    ".",
    "/",
    ",",
    "\u200b",
    "\u202f",
    "\u3000",
    "&nbsp;",
    "\n",
    "\r\n",
    " - ",
    ". ",
]
CARDS: list[tuple[str, list[str] | None]] = [
    ("4111111111111111", ["4111111111111111"]),
    ("my card is 4111 1111 1111 1111, thanks", ["4111 1111 1111 1111"]),
    ("5500-0055-5555-5559.", ["5500-0055-5555-5559"]),
    ("3714 496353 98431", ["3714 496353 98431"]),
    ("4111111111111112", []),
    ("order 12 4111111111111111 of 7", ["4111111111111111"]),
    ("4111111111111111 5500005555555559", ["4111111111111111", "5500005555555559"]),
    ("0000000000000000", []),
    ("41111111111111114111111111111111", []),
    ("4111  1111  1111  1111", ["4111  1111  1111  1111"]),
    *((each.join(("4111", "1111", "1111", "1111")), None) for each in SEPARATORS),
    ("\uff14" + "\uff11" * 15, None),
    ("\u0664" + "\u0661" * 15, None),
    ("4\ufe0f\u20e31\ufe0f\u20e3" + "11 1111 1111 1111", None),
    (" ".join("4" + "1" * 15), None),
    ("41 11 11 11 11 11 11 11", None),
    ("3782-822463-10005", None),
    ("3056 930902 5904", None),
    ("my order 1234 was paid with 4111111111111111", ["4111111111111111"]),
    ("the card for the order: 4111111111111111", []),
    ("order for my card 4111111111111111", ["4111111111111111"]),
    ("order no. 4111111111111111", []),
    ("Bestellnummer: 4111111111111111", []),
    ("IMEI 3530240123456782", []),
    ("1732600000004", []),
    ("visa 4222222222222", ["4222222222222"]),
    ("4222222222222", []),
    ("ref x4111111111111111", []),
    ("06 12 34 56 78 06 12 34 56 71", []),
    ("411111111111", []),
    ("4111&#160;1111&#xA0;1111&amp;nbsp;1111", None),
    ("&#52;111 1111 1111 1111", None),
    ("34 343434 3434 343", None),
    ("6759 1234 5678 9012 342", None),
    ("in order to pay, use 4111111111111111", ["4111111111111111"]),
    ("where is my order? 4111111111111111", ["4111111111111111"]),
    ("where is my order?\n4111111111111111", ["4111111111111111"]),
    ("about my order. the number is 4111 1111 1111 1111", []),
    ("order no. 2026/4111 1111 1111 1111", []),
    ("https://shop.example.org/orders/4111111111111111", []),
    ("https://shop.example.org/pay/4111111111111111", ["4111111111111111"]),
    ("52.520008, 13.404947", []),
    ("Client: 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
    ("numéro client: 4111 1111 1111 1111", []),
    ("customer no. 4111 1111 1111 1111", []),
    ("DE44 5001 0517 5407 3249 31 and 4111 1111 1111 1111", ["4111 1111 1111 1111"]),
]
IBANS = [
    ("DE89370400440532013000", ["DE89370400440532013000"]),
    ("pay to DE89 3704 0044 0532 0130 00 please", ["DE89 3704 0044 0532 0130 00"]),
    ("gb29 nwbk 6016 1331 9268 19", ["gb29 nwbk 6016 1331 9268 19"]),
    ("NO9386011117947", ["NO9386011117947"]),
    ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", ["DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000"]),
    ("\uff24\uff25\uff18\uff1937 0400 4405 3201 3000", ["\uff24\uff25\uff18\uff1937 0400 4405 3201 3000"]),
    ("D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0", ["D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0"]),
    ("DE89,3704,0044,0532,0130,00", ["DE89,3704,0044,0532,0130,00"]),
    ("DE89&#160;3704&#x202F;0044&nbsp;0532 0130 00", ["DE89&#160;3704&#x202F;0044&nbsp;0532 0130 00"]),
    ("es 012807414404578 Gracias", []),
    ("DE89370400440532013001", []),
    ("XDE89370400440532013000", []),
    ("DE893704004405320130001", []),
    ("ZZ89370400440532013000", []),
]
EMAILS = [
    ("write to nora.sample+x@mail.example.org.", ["nora.sample+x@mail.example.org"]),
    ("jürgen@exämple.org", ["jürgen@exämple.org"]),
    ("a@b.co,c@d.co", ["a@b.co", "c@d.co"]),
    ("a@b.co@d.co", ["a@b.co", "@d.co"]),  # b.co may be the local part of the second address
    ("@0.nora@example.org", ["0.nora@example.org"]),
    ("@example.org", []),
    ("nora@localhost", []),
    ("nora at example.org", []),
    ("nora [at] example (dot) org now", ["nora [at] example (dot) org"]),
    ("nora(at)mail.example.org", ["nora(at)mail.example.org"]),
    ("nora\uff20example.org", ["nora\uff20example.org"]),
    ("nora\u200b@example.org", ["nora\u200b@example.org"]),
    ("nora&#64;example&period;org", ["nora&#64;example&period;org"]),
]
PHONES = [
    ("call +44 20 7946 0018 now", ["+44 20 7946 0018"]),
    ("0049 30 901820", ["0049 30 901820"]),
    ("(020) 7946 0018", ["(020) 7946 0018"]),
    ("555-010-0199", ["555-010-0199"]),
    ("030/901820", ["030/901820"]),
    ("order 1234567", []),
    ("1930000000000", []),
    ("in 2031", []),
    ("+49\u00a0151\u00a023456789", ["+49\u00a0151\u00a023456789"]),
    ("+49 (0) 151 \u2013 2345678", ["+49 (0) 151 \u2013 2345678"]),
    ("on 01.02.2031 10.30", []),
    ("order 0012345678", []),
    ("my number for calls is 612 345 678", ["612 345 678"]),
    ("mein Handy: 01701234567", ["01701234567"]),
    ("01701234567", ["01701234567"]),
    ("the counter shows 01701234567", []),
    ("06.12.34.56.78", ["06.12.34.56.78"]),
    ("since 2026-04-03 - 2026-04-05", []),
    ("customer 0183 1782 4501 7221 1092", []),
    ("3928-0792-9905-43", []),
    ("697a05ad-ef3c-4f66-ad7f-019086299123", []),
    ("25.05047251, 144.451441", []),
]


@pytest.mark.parametrize(("text", "expected"), CARDS)
def test_payment_cards_satisfy_luhn_and_are_not_called_something_else(text: str, expected: list[str] | None) -> None:
    assert found(detectors.payment_cards, text) == ([text] if expected is None else expected)


@pytest.mark.parametrize(("text", "expected"), IBANS)
def test_ibans_have_the_length_of_their_country_and_satisfy_the_check(text: str, expected: list[str]) -> None:
    assert found(detectors.ibans, text) == expected


@pytest.mark.parametrize(("text", "expected"), EMAILS)
def test_emails_have_a_local_part_and_a_domain_with_a_dot(text: str, expected: list[str]) -> None:
    assert found(detectors.emails, text) == expected


@pytest.mark.parametrize(("text", "expected"), PHONES)
def test_phones_have_a_prefix_or_a_grouping_or_a_name(text: str, expected: list[str]) -> None:
    assert found(detectors.phones, text) == expected


@given(st.text(alphabet="0123456789 -", max_size=60))
def test_every_card_found_satisfies_luhn_when_worked_out_the_long_way(text: str) -> None:
    for card in found(detectors.payment_cards, text):
        digits = [int(char) for char in card if char.isdigit()][::-1]
        total = sum(sum(divmod(2 * digit, 10)) if at % 2 else digit for at, digit in enumerate(digits))
        assert total % 10 == 0
        assert 13 <= len(digits) <= 19


ALL = [
    detectors.payment_cards,
    detectors.ibans,
    detectors.emails,
    detectors.phones,
    patterns.compiled(r"[A-Z]{2}-\d{4,10}x"),
]


@given(st.text(alphabet="0149 -+()@.aDE8_é", max_size=200), st.sampled_from(ALL))
def test_finds_come_in_order_and_do_not_overlap(text: str, detector: detectors.Detector) -> None:
    at = 0
    for start, end in detector(text):
        assert at <= start < end <= len(text)
        at = end


@pytest.mark.parametrize(
    "unit", ["1", "1 ", "a", "@", "@a.", "a@a.", "+", "+1", "(", "(1)", "DE89", "DE89 ", "0", "0 ", "AA-1", "é", "-"]
)
@pytest.mark.parametrize("detector", ALL)
def test_ten_times_the_text_takes_about_ten_times_as_long(unit: str, detector: detectors.Detector) -> None:
    """A quadratic detector would take a hundred times as long: at a megabyte it would stop every chat of a shard."""

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        best = float("inf")
        for _ in range(3):
            before = time.process_time()
            for _ in detector(text):
                pass
            best = min(best, time.process_time() - before)
        return best

    assert seconds(30_000) < 35 * seconds(3_000) + 0.005
