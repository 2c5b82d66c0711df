"""Words beside a number that say what it is: of payment cards, and of what else is numbered.

A bare run of digits that passes a card's check may be an order, a parcel or a device as well. One in ten of such
numbers does. What people write right before it decides.
"""

from __future__ import annotations

import re
from typing import Final

_BEFORE: Final = 48
"""Characters before a number in which a word is looked for."""
_AFTER: Final = 24

_CARD: Final = (
    "card|cards|visa|master ?card|maestro|amex|american express|diners|discover|jcb|union ?pay|rupay|mir|"
    "credit|debit|pan|cvv|cvc|kredit\\w{0,12}|karte\\w{0,4}|kartennummer|bankkarte|ec-?karte|girocard|"
    "carte|cartes|bancaire|bleue|tarjeta|credito|crédito|debito|débito|carta|cartão|cartao|kaart\\w{0,8}|creditcard\\w{0,8}|"
    "kart[aąęiyu]?|karty|kredi|karte[ns]?|kort\\w{0,6}|kortti\\w{0,6}|"
    "карт\\w{0,4}|кредит\\w{0,6}"
)
_OTHER: Final = (
    "order|orders|invoice|imei|imeisv|serial|s/n|sn|tracking|parcel|shipment|ticket|booking|reservation|"
    "timestamp|epoch|ean|gtin|isbn|sku|barcode|iccid|uuid|"
    "bestell\\w{0,16}|auftrag\\w{0,12}|rechnung\\w{0,12}|sendung\\w{0,16}|paket\\w{0,12}|kundennummer|seriennummer|"
    "vertrag\\w{0,12}|vorgang\\w{0,12}|zähler\\w{0,10}|buchung\\w{0,10}|"
    "commande|facture|colis|suivi|dossier|client|série|pedido|factura|envío|envio|paquete|seguimiento|serie|"
    "ordine|fattura|spedizione|pacco|pratica|seriale|encomenda|fatura|rastreio|"
    "bestelling|bestelnummer|factuur|pakket|zending|klantnummer|serienummer|"
    "zamówieni\\w{0,4}|zamowieni\\w{0,4}|faktur\\w{0,4}|przesyłk\\w{0,4}|paczk\\w{0,4}|"
    "sipariş\\w{0,6}|takip|fatura\\w{0,4}|ordre\\w{0,8}|ordernummer|"
    "заказ\\w{0,4}|счет\\w{0,4}|посылк\\w{0,4}|номер заказа"
)


# Scripts without blanks between words have no boundary there.
_CARD_WORDS: Final = re.compile(rf"(?<![^\W\d_])(?:{_CARD})(?![^\W\d_])|カード|クレジット|卡|카드")
_OTHER_WORDS: Final = re.compile(rf"(?<![^\W\d_])(?:{_OTHER})(?![^\W\d_])|注文|追跡|伝票|订单|单号|运单|주문|송장")


_JOINING: Final = re.compile(r"[ ]{0,2}(?:[^\W\d_]{1,10}[.]?)?[ ]{0,2}(?:[^\W\d_]{1,4})?[ :#=№(º°-]{0,4}")


def named_as_card(text: str, start: int, end: int) -> bool:
    """Tell whether words near a number say that it is a card's; of words before it, the last one counts."""
    before = text[max(start - _BEFORE, 0) : start].casefold()
    after = text[end : end + _AFTER].casefold()
    return _last(_CARD_WORDS, before) > _last(_OTHER_WORDS, before) or (
        _last(_OTHER_WORDS, before) < 0 and _CARD_WORDS.search(after) is not None
    )


def named_otherwise(text: str, start: int) -> bool:
    """Tell whether the words right before a number say that it is something else than a card's.

    One word of the kind `no.`, `number`, `is` may stand between: what was said earlier may be about another number.
    """
    before = text[max(start - _BEFORE, 0) : start].casefold()
    other = _last(_OTHER_WORDS, before)
    if other < 0 or _last(_CARD_WORDS, before) > other:
        return False
    word = _OTHER_WORDS.match(before, other)
    return word is not None and _JOINING.fullmatch(before, word.end()) is not None


def _last(words: re.Pattern[str], text: str) -> int:
    """Return where the last of the words begins; -1 if there is none."""
    at = -1
    for found in words.finditer(text):
        at = found.start()
    return at
