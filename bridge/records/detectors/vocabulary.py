"""What numbers are called in support chats, in a dozen languages.

Words are casefolded and separated by blanks; `*` stands for any letters, `_` for a blank within a name.
"""

from __future__ import annotations

import re
from typing import Final


def alternatives(words: str) -> str:
    """Return the pattern that matches one of these words, the longest that fits."""
    longest_first = sorted(words.split(), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\*", r"\w*").replace("_", " ") for word in longest_first)


CARDS: Final = """
    card cards creditcard* visa master_card mastercard maestro amex american_express diners discover jcb union_pay
    unionpay rupay mir pan cvv cvc cc credit debit pay* paid charge kredit* karte karten* *karte girocard *zahlt *zahle
    *zahlen *zahlung abbuch* carte cartes bancaire cb paie* tarjeta* crédito credito débito debito carta cartão
    cartao cartões pagar pago pagué paguei pagado pagamos pagamento pagare pagato pagata *kaart* betaal* betal* kart
    karta kartą kartę karty karto karcie *płac* kredi kort kortet kortnummer kortti* карт* кредит*
"""

PHONES: Final = """
    phone phones telephone mobile cell cellphone cell_phone call calls ring text_me whatsapp sms fax tel hotline
    landline telefon* handy* mobil* *anruf* *gerufen *rufe *rufen rückruf* festnetz* tél télé* portable appel*
    rappel* joindre joignable fixe teléfono* telefono* móvil* movil* celular* llám* llam* fijo cellulare cel chiam*
    richiam* telemóvel telemovel telefone liga* ligo* ligue* liguei *telefoon* mobiel* bel belt bellen belde
    terugbel* opbel* *gebeld komór* komor* *dzwo* телефон* моб* звон*
"""

OTHERS: Final = """
    imei* serial s/n sn iccid eid ean* gtin isbn* issn sku asin upc uuid guid id timestamp epoch ticket* tracking*
    track track&trace track_&_trace trace ref refs item items video doc

    order orders purchase purchases invoice invoices bill_number bill_no parcel parcels package packages shipment
    shipments consignment consignments delivery waybill waybills meter counter booking bookings reservation
    reservations reference references case_number case_no case_id contract contracts membership memberships policy
    policies claim claims article articles product products barcode barcodes receipt receipts voucher vouchers quote
    quotes return_number return_no

    bestell* auftrag* aufträge* rechnung* sendung* frachtbrief* reklamation* retoure* *paket* lieferung*
    lieferschein* seriennummer* kundennr kundennummer kunden-nr mitgliedsnr mitgliedsnummer gerät* geräte* vertrag*
    vorgang* aktenzeichen zähler* buchung* reservierung* versicherung* police* artikel* produkt* strichcode
    referenz* beleg* gutschein*

    commande commandes facture factures colis suivi envoi envois expédition livraison bordereau retour réclamation
    devis compteur sinistre dossier dossiers référence références contrat contrats réservation réservations série
    assurance produit produits code-barres codes-barres horodatage

    pedido pedidos orden órdenes factura facturas fatura faturas paquete paquetes pacote pacotes envío envíos envio
    envios seguimiento localizador rastreio rastreamento encomenda encomendas número_de_caso número_do_processo
    número_de_processo número_do_meu_processo número_de_mi_caso barras referencia referencias referência referências
    contrato contratos reserva reservas serie póliza pólizas apólice apólices artículo artículos artigo artigos
    producto productos produto produtos incidencia incidencias chamado chamados expediente expedientes trámite
    albarán guía guia contador siniestro devolución devolução reclamación reclamação

    ordine ordini fattura fatture pacco pacchi spedizione spedizioni tracciamento pratica pratiche riferimento
    riferimenti contratto contratti tessera tessera_socio prenotazione prenotazioni lettera_di_vettura bolla
    ricevuta ricevute sinistro reso resi reclamo contatore seriale polizza polizze articolo articoli prodotto
    prodotti barre segnalazione segnalazioni

    bestel* order* factu* rekening* *pakket* pakje* zending* zaaknummer kenmerk* contract* lidmaatschap* melding*
    reservering* serie* polis* streepjescode vrachtbrief* retour* klacht* klantnr klantnummer offerte* meterstand

    zamówie* zamowie* zam faktur* rachun* przesył* przesyl* paczk* przewozow* nadania śledzenia zgłosze*
    numer_sprawy numer_mojej_sprawy sprawa_nr sygnatur* umow* rezerwacj* seryjn* reklamacj* zwrotu szkody paragon*
    licznik* artykuł* kreskow*

    sipariş* takip ordre* pakke* заказ* счет* посылк*
"""

PERSONS: Final = """
    customer client member subscriber cliente clienti clientes socio socia socios sócio sócia sócios adhérent adhérente
    abonné abonnée klienta klientki członka członkowski lid klant
"""
"""Whose numbers have no name but with a word for number: `client: 4111 ...` is what a client said."""

NUMBER_WORDS: Final = "number numbers nummer no nr num número numero numéro numer n nº № номер numara*"

NEUTRAL: Final = """
    is are was the my your our of with for ist war lautet der die das dem mein meine meiner von mit est était le la
    les mon ma de du es era el los mi su del con è il lo mio mia di della é o a os as meu minha do da het mijn van
    met to jest mój moja moje z id code kod código codice
"""
"""Words that say nothing of their own between a name and its number."""
