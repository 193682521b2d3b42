"""What names of columns say in German, French, Spanish, Portuguese, Italian and Dutch, as in English. Pure.

Words are written as ``headers.fold`` leaves them: small, without accents, letters and digits alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_PERSONS = {
    "user": "user benutzer nutzer anwender utilisateur usuario utente utilizador gebruiker gebruikers",
    "customer": "customer cust buyer kunde kunden kaeufer kaufer acheteur cliente comprador acquirente klant klanten",
    "client": "client",
    "member": "member mitglied mitglieds mitglieder membre adherent miembro socio membro lid leden",
    "subscriber": "subscriber abonnent abonnenten abonne suscriptor assinante abbonato abonnee",
    "contact": "contact kontakt contacto contatto contato",
    "person": "person personen personne persona pessoa persoon",
}
_NUMBERS = {
    "id": "id ident identifiant identificador identificativo identificatore kennung schluessel schlussel",
    "number": "number nummer nr no numero num nro code kode codigo codice",
}
_LINKS = "de du del della dello dell do da di d l van"
"""Between them, where the number goes before: ``numero de cliente``."""
_PERSON = {word: english for english, words in _PERSONS.items() for word in words.split()}
_NUMBER = {word: english for english, words in _NUMBERS.items() for word in words.split()}


def _any(words: Iterable[str]) -> str:
    return "|".join(words)


_PERSON_FIRST = re.compile(f"({_any(_PERSON)})({_any(_NUMBER)})?")
_NUMBER_FIRST = re.compile(f"({_any(_NUMBER)}|n)(?:{_LINKS.replace(' ', '|')})?({_any(_PERSON)})")
"""``N° client``, of which the sign is gone."""
_DATE_ENDINGS = ("datum", "zeit", "zeitpunkt", "zeitstempel", "tijd", "tijdstip")
"""Of words put together: ``Bestelldatum``."""
_DATE_WORDS = frozenset({"fecha", "hora", "heure", "giorno", "jour", "dia"})
_DATE_FIRST_WORDS = frozenset({"datum", "date", "fecha", "hora", "heure"})
_DATE_BEGINNINGS = ("datade", "datado", "datadi", "datadell", "dataordine", "datapedido", "dataacquisto", "datacompra")
"""``Data`` by itself is no date in English: with what follows it is one."""
_BIRTH = ("geburt", "geboorte", "naissance", "nacimiento", "nascimento", "nascita", "birth", "dob")
_THINGS = (
    *("order", "bestell", "auftrag", "commande", "pedido", "ordine", "encomenda", "cart", "basket", "warenkorb"),
    *("invoice", "rechnung", "facture", "factura", "fattura", "fatura", "factuur", "beleg", "receipt"),
    *("transa", "payment", "zahlung", "session", "request", "shipment", "sendung", "tracking", "ticket", "event"),
    *("product", "produ", "prodotto", "article", "artikel", "articulo", "articolo", "artigo", "item", "sku", "ean"),
    *("gtin", "isbn", "zip", "plz", "post", "store", "filial", "branch", "coupon", "campaign", "kampagne"),
)
"""What columns may number besides persons; words that begin so."""


def translate_person(folded: str) -> str:
    """Return the English name of a column that is called after a person, such as ``customernumber``; else the name."""
    return "".join(_read_person(folded)) or folded


def is_number_of_person(folded: str) -> bool:
    """Return whether the name says the number of a person, whatever it looks like."""
    return bool(_read_person(folded)[1])


def _read_person(folded: str) -> tuple[str, str]:
    """Return whom the name speaks of, and by which kind of number, in English; nothing where it does not."""
    if (found := _PERSON_FIRST.fullmatch(folded)) is not None:
        return _PERSON[found[1]], _NUMBER.get(found[2], "")
    if (found := _NUMBER_FIRST.fullmatch(folded)) is not None:
        return _PERSON[found[2]], _NUMBER.get(found[1], "number")
    return "", ""


def is_number(word: str) -> bool:
    """Return whether a word put together says a number that tells things apart: ``Bestellnummer``."""
    return word.endswith(("nummer", "nr"))


def is_date(words: Sequence[str]) -> bool:
    """Return whether the words of a name say a day or a time."""
    return bool(words) and (
        words[-1].endswith(_DATE_ENDINGS)
        or words[0] in _DATE_FIRST_WORDS
        or "".join(words).startswith(_DATE_BEGINNINGS)
        or (len(words) > 1 and words[-1] in _DATE_WORDS)
    )


def is_birth(folded: str) -> bool:
    """Return whether the name says a day of birth, on which no event happened."""
    return any(word in folded for word in _BIRTH)


def is_thing(words: Sequence[str]) -> bool:
    """Return whether the words of a name speak of what is no person: an order, an article, a place."""
    return any(word.startswith(_THINGS) for word in words)
