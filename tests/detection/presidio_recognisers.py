"""Reads texts as a JSON list, and writes what Microsoft Presidio's recognisers find in each, and their version.

Runs in an environment of its own (`presidio.py`), without the bridge. The recognisers are called directly: no language
model, no words of context, any score. The one for telephones knows the countries that the corpus has numbers of.
"""

from __future__ import annotations

import json
import logging
import sys
from importlib.metadata import version
from typing import Final

from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    PhoneRecognizer,
)

_COUNTRIES: Final = ("GB", "US", "DE", "AT", "FR", "BE", "ES", "MX", "IT", "CH", "PT", "BR", "NL", "PL")


def main() -> None:
    logging.disable()  # the list of public suffixes is asked for in vain, and the packaged one used
    recognisers = {
        "payment_card": CreditCardRecognizer(),
        "iban": IbanRecognizer(),
        "email": EmailRecognizer(),
        "phone": PhoneRecognizer(supported_regions=_COUNTRIES),
    }
    finds = [
        {
            kind: [(found.start, found.end) for found in each.analyze(text, each.supported_entities, None) or ()]
            for kind, each in recognisers.items()
        }
        for text in json.load(sys.stdin)
    ]
    json.dump({"version": version("presidio-analyzer"), "finds": finds}, sys.stdout)


if __name__ == "__main__":
    main()
