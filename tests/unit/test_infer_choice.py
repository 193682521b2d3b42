"""What the rows are, which columns say who, what and when, and what each property is called: decided from counts."""

from __future__ import annotations

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.inference import headers
from sftp_orchestrator.inference.choice import propose
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.inference.evidence import ColumnEvidence
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn
from sftp_orchestrator.inference.traits import Trait
from tests.support.evidence import (
    BIT,
    EMPTY,
    MICROSECONDS,
    MILLISECONDS,
    SECONDS,
    TEXT,
    WHOLE,
    WORD,
    date,
    make_column,
    make_evidence,
)

NAME = make_column("event_name", distinct=3)
TIME = make_column("time_stamp", SECONDS)
USER = make_column("user_id", distinct=40)
ONE_EACH = make_column("user_id")
ISO = date("yyyy-MM-dd")


def _propose(*columns: ColumnEvidence) -> Proposal:
    return propose(make_evidence(*columns), ["purchases_2026-01-02.csv"], Dialect())


def _find(proposal: Proposal, header: str) -> ProposedColumn:
    return next(column for column in proposal.columns if column.header == header)


def _map(proposal: Proposal) -> dict[str, str]:
    """Return which column becomes which property, where it does not keep its name."""
    columns = {column.header: column.property_name for column in proposal.columns}
    return {header: name for header, name in columns.items() if name != header}


@pytest.mark.parametrize(
    ("columns", "kind", "is_doubtful"),
    [
        ((NAME, TIME, USER), "event", False),
        ((NAME, USER), "event", False),
        ((make_column("evtName"), ONE_EACH), "event", False),
        ((make_column("action"), TIME, USER), "event", True),
        ((TIME, USER), "event", True),
        ((make_column("order_date", ISO), USER), "event", True),
        ((TIME, ONE_EACH), "profile", True),
        ((make_column("action"), ONE_EACH), "profile", False),
        ((make_column("created_at", ISO), ONE_EACH), "profile", False),
        ((make_column("city"), ONE_EACH), "profile", False),
        ((make_column("city"), USER), "profile", True),
        ((make_column("hobby"), make_column("hobby.operation"), USER), "profile", False),
    ],
)
def test_what_the_rows_are(columns: tuple[ColumnEvidence, ...], kind: str, *, is_doubtful: bool) -> None:
    """An event has a name, or a time and identities that repeat; a reason is always given."""
    found = _propose(*columns)
    assert (found.type, found.is_type_doubtful) == (kind, is_doubtful)
    assert found.reason


@pytest.mark.parametrize(
    ("columns", "identity", "is_doubtful"),
    [
        ((ONE_EACH, make_column("email")), "user_id", False),
        ((make_column("email"), make_column("CustomerID")), "CustomerID", False),
        ((make_column("uid"), make_column("identity", {TEXT: 95, EMPTY: 5})), "identity", True),
        ((make_column("user_id", {TEXT: 5, EMPTY: 95}), make_column("uid")), "uid", False),
        ((make_column("id", WHOLE), make_column("email")), "id", False),
        ((make_column("city", distinct=7), make_column("E-Mail")), "E-Mail", True),
        ((make_column("city", distinct=7), make_column("reference")), "reference", True),
        ((USER, make_column("city", distinct=7)), "user_id", True),
    ],
)
def test_who_is_found_by_name_then_by_values(
    columns: tuple[ColumnEvidence, ...], identity: str, *, is_doubtful: bool
) -> None:
    """The surest name that is well filled wins; an address, or a column chosen by its values alone, is doubtful."""
    found = _propose(*columns)
    (chosen,) = [column for column in found.columns if column.property_name == "identity"]
    assert (chosen.header, bool(chosen.doubts)) == (identity, is_doubtful)
    assert found.findings == ()


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Kundennr.",
            "KUNDENNUMMER",
            "Kunden-Nr",
            "kunden_id",
            "Kunde ID",
            "Kundenkennung",
            "Benutzer-ID",
            "NutzerNr",
        ),
        *("numero_client", "Numéro de client", "N° client", "code client", "id_utilisateur", "IdentifiantClient"),
        *("cliente_id", "id cliente", "Número de cliente", "Código del cliente", "usuario_id", "N.º cliente"),
        *("ID do cliente", "codigo_cliente", "Numero cliente", "Codice cliente", "id_utente", "numero d'abonné"),
        *("klantnummer", "Klant-nr", "klant_id", "gebruikers_id", "Mitgliedsnummer", "lidnummer", "Customer No."),
    ],
)
@pytest.mark.parametrize("distinct", [100, 40])
def test_numbers_of_persons_are_known_in_six_languages(header: str, distinct: int) -> None:
    """In profiles and in events the same column says who, before any address: the two must agree."""
    number = make_column(header, WHOLE, distinct=distinct)
    profiles = _propose(make_column("E-Mail"), make_column("Telefon", WHOLE), make_column(header, WHOLE))
    events = _propose(NAME, TIME, make_column("Bestell Nr", WHOLE), make_column("E-Mail", distinct=41), number)
    assert _find(profiles, header).property_name == _find(events, header).property_name == "identity"
    assert not _find(profiles, header).doubts
    assert not _find(events, header).doubts


@pytest.mark.parametrize(
    "header", ["numero de clientes", "nombre de clients", "Kundenzahl", "clients", "customer_count"]
)
def test_a_count_of_persons_says_nobody(header: str) -> None:
    """How many there are is no number of one."""
    found = _propose(NAME, TIME, make_column(header, WHOLE, distinct=30), USER)
    assert (_find(found, header).property_name, _find(found, header).type) == (header, "INTEGER")


def test_the_number_of_an_order_is_nobody() -> None:
    """In events a value that hardly any two rows share says which row it is, and one that comes again may say who."""
    order, code = make_column("Bestell Nr", WHOLE), make_column("Depot Ref", {WHOLE: 97, EMPTY: 3}, distinct=30)
    found = _propose(NAME, TIME, order, make_column("vorgang_code"), code)
    assert _map(found)["Depot Ref"] == "identity"
    assert _find(found, "Depot Ref").doubts[0] == "by its values alone: filled in 97, about 30 different in 100 rows"
    nobody = _propose(NAME, TIME, order, make_column("vorgang_code"), make_column("Artikelnr", WHOLE, distinct=30))
    assert [finding.rule for finding in nobody.findings] == ["identity.no_column"]


@pytest.mark.parametrize("name", ["uuid", "uid", "id"])
def test_an_id_that_every_event_has_of_its_own_gives_way(name: str) -> None:
    """Where another column may say who it does; where none may, the doubt is told."""
    own = make_column(name)
    assert _map(_propose(NAME, TIME, own, make_column("email", distinct=9)))["email"] == "identity"
    alone = _find(_propose(NAME, TIME, own), name)
    assert (alone.property_name, alone.doubts) == (
        "identity",
        ("nearly every row has another value: is it a person's, or the row's own?",),
    )
    assert _map(_propose(NAME, TIME, make_column(name, distinct=40)))[name] == "identity"


def test_other_candidates_are_named() -> None:
    """Where the choice is doubtful, or rows have nobody by it, what else may say who is told with its evidence."""
    number = make_column("Kundennr", {WHOLE: 95, EMPTY: 5}, distinct=40)
    found = _propose(
        NAME, TIME, number, make_column("E-Mail", distinct=38), make_column("Telefon", {TEXT: 90, EMPTY: 10})
    )
    others = "'E-Mail' (about 38 different, always filled), 'Telefon' (about 90 different, 10 rows empty)"
    said = f"what else may say who: {others}; profiles and events must have the same"
    assert _find(found, "Kundennr").doubts == (said,)


def test_no_more_are_different_than_there_are() -> None:
    """The count is about right, and above the rows it would look wrong."""
    (column,) = _propose(make_column("reference", distinct=105)).columns
    assert "about 100 different in 100 rows" in column.doubts[0]


def test_an_id_of_an_event_is_not_who() -> None:
    """In events ``id`` is the row's own: an address is surer."""
    assert _map(_propose(NAME, TIME, make_column("id", WHOLE), make_column("email", distinct=9))) == {
        "event_name": "evtName",
        "time_stamp": "ts",
        "email": "identity",
    }


def test_the_receivers_other_identities_are_mapped_beside() -> None:
    """objectId, fbId and gpId have columns of their own, and one of them is enough."""
    columns = [make_column(name) for name in ("Object ID", "fb_id", "googleId", "email")]
    found = _propose(NAME, TIME, *columns)
    assert _map(found)["Object ID"] == "objectId"
    assert _map(found)["fb_id"] == "fbId"
    assert _map(found)["googleId"] == "gpId"
    assert "email" not in _map(found)


def test_a_file_that_says_nobody_is_told_so() -> None:
    """Without an identity the receiver refuses every row: the rule is named."""
    found = _propose(NAME, TIME, make_column("amount", WHOLE))
    assert [finding.rule for finding in found.findings] == ["identity.no_column"]


@pytest.mark.parametrize(
    ("traits", "said"),
    [(SECONDS, ""), (MILLISECONDS, "in milliseconds"), (MICROSECONDS, "in microseconds")],
)
def test_epoch_time_becomes_ts_and_its_unit_is_told(traits: int, said: str) -> None:
    """The receiver takes seconds alone: the producer is told what to divide by."""
    found = _find(_propose(NAME, make_column("timestamp", traits), USER), "timestamp")
    assert (found.property_name, found.type) == ("ts", "INTEGER")
    assert said in "".join(found.doubts)
    assert bool(found.doubts) == bool(said)


def test_a_profile_may_have_a_ts_of_its_own() -> None:
    """A column of epoch seconds that is called ts keeps its name; any other time is a property."""
    found = _propose(ONE_EACH, make_column("ts", SECONDS), make_column("event_time", SECONDS))
    assert _map(found) == {"user_id": "identity"}
    assert (_find(found, "ts").type, _find(found, "event_time").date_format) == ("INTEGER", "UNIX")


def test_seconds_under_another_name_may_be_ts() -> None:
    """Where no column is called so, one of epoch seconds whose name says a time is taken, and doubtful."""
    found = _find(_propose(NAME, make_column("ordered_at", SECONDS), USER), "ordered_at")
    assert found.property_name == "ts"
    assert found.doubts


@pytest.mark.parametrize("header", ["timestamp", "order_date", "ts"])
def test_a_date_cannot_be_ts(header: str) -> None:
    """It stays a date under a name that is not ts, and that is said."""
    found = _find(_propose(NAME, make_column(header, ISO), USER), header)
    assert (found.type, found.date_format) == ("DATE", "yyyy-MM-dd")
    assert found.property_name != "ts"
    assert "a date cannot be ts" in found.doubts[0]
    assert "have the producer add a column of them, in UTC, as 'ts'" in found.doubts[0]


CLOCK = date("dd/MM/yyyy HH:mm:ss")


@pytest.mark.parametrize(
    "header", ["Bestelldatum", "fecha del pedido", "data_ordine", "Date de commande", "Vorgang", "x"]
)
def test_the_only_date_with_a_time_may_be_meant_for_ts(header: str) -> None:
    """By its cells, whatever it is called: it stays a date, with the advice that any other has."""
    found = _propose(NAME, make_column("Geburtsdatum", ISO), make_column(header, CLOCK), USER)
    assert (_find(found, header).type, _find(found, header).date_format) == ("DATE", "dd/MM/yyyy HH:mm:ss")
    assert "a date cannot be ts" in _find(found, header).doubts[0]
    assert not _find(found, "Geburtsdatum").doubts


def test_of_two_dates_with_a_time_none_is_chosen_by_its_cells() -> None:
    """Which of them says when it happened nobody can tell."""
    found = _propose(NAME, make_column("x", CLOCK), make_column("y", CLOCK), USER)
    assert not [column for column in found.columns if column.doubts]


def test_a_shops_orders_are_events() -> None:
    """Orders that say who and when in German are events without an event's name, as they are in English."""
    columns = (make_column("Bestell Nr", WHOLE), make_column("Kundennr.", WHOLE, distinct=30))
    found = _propose(*columns, make_column("Bestelldatum", CLOCK))
    assert (found.type, found.is_type_doubtful) == ("event", True)
    assert _map(found) == {"Kundennr.": "identity"}


@pytest.mark.parametrize("header", ["time_stamp", "created_at"])
@pytest.mark.parametrize("stray", [TEXT, EMPTY, MILLISECONDS])
@pytest.mark.parametrize(("strays", "share"), [(1, "99.0 %"), (5, "95.0 %"), (40, "60.0 %")])
def test_strays_among_epoch_seconds_do_not_cost_the_time(header: str, stray: int, strays: int, share: str) -> None:
    """A column whose name says a time is ``ts`` where most cells are epoch seconds, with the share of rows that are."""
    found = _find(_propose(NAME, make_column(header, {SECONDS: 100 - strays, stray: strays}), USER), header)
    assert (found.property_name, found.type) == ("ts", "INTEGER")
    assert f"{share} of rows are epoch seconds" in found.doubts
    assert not any("a date cannot be ts" in doubt for doubt in found.doubts)


def test_milliseconds_are_named_with_their_share() -> None:
    """A stray among milliseconds hides their unit no more than it does that of seconds."""
    found = _find(_propose(NAME, make_column("created_at", {MILLISECONDS: 90, TEXT: 10}), USER), "created_at")
    assert found.property_name == "ts"
    assert found.doubts[0].startswith("90.0 % of rows are in milliseconds, and the receiver takes epoch seconds")
    assert "ts.form" not in found.explained


def test_of_two_times_the_one_that_is_so_throughout_is_taken() -> None:
    """A column with many strays gives way to one behind it that has few."""
    columns = (make_column("created_at", {SECONDS: 60, TEXT: 40}), make_column("sold_at", SECONDS))
    assert _map(_propose(NAME, *columns, USER))["sold_at"] == "ts"


def test_dates_mixed_with_epoch_times_are_told_as_such() -> None:
    """Neither a date nor seconds: the reason is the mixture."""
    found = _find(_propose(NAME, make_column("created_at", {ISO: 60, SECONDS: 40}), USER), "created_at")
    assert found.type == "STRING"
    assert found.doubts[0].startswith("it cannot be ts, which takes epoch seconds alone: some cells are dates")


def test_events_without_any_time_are_told_so() -> None:
    """Without ts an event counts as of when it is processed."""
    (finding,) = _propose(NAME, USER).findings
    assert (finding.rule, finding.severity) == ("ts.no_column", "warning")


def test_too_many_event_names_are_doubtful() -> None:
    """An account takes 512 different ones."""
    found = _find(_propose(make_column("event", distinct=5000), TIME, USER), "event")
    assert "5,000 different names" in found.doubts[0]


def test_known_properties_of_profiles_are_mapped() -> None:
    """Columns that mean what the receiver knows get its names, each once, the exact name first."""
    names = ("full_name", "name", "e-mail", "mobile", "sex", "date of birth", "time zone", "Email")
    columns = [make_column(name) for name in names] + [make_column("MSG-sms", BIT), make_column("is married", WORD)]
    found = _propose(ONE_EACH, *columns)
    assert _map(found) == {
        "user_id": "identity",
        "name": "Name",
        "mobile": "Phone",
        "sex": "Gender",
        "date of birth": "DOB",
        "time zone": "Tz",
        "is married": "Married",
    }
    assert _find(found, "MSG-sms").type == "BOOLEAN"
    assert _find(found, "is married").type == "BOOLEAN"


def test_known_properties_mean_nothing_in_events() -> None:
    """An event's Email is a property like any other."""
    assert "email" not in _map(_propose(NAME, TIME, USER, make_column("email")))


def test_phone_and_codes_stay_text() -> None:
    """Digits alone make no number of a phone."""
    found = _propose(ONE_EACH, make_column("phone", WHOLE), make_column("age", WHOLE))
    assert (_find(found, "phone").type, _find(found, "age").type) == ("STRING", "INTEGER")


def test_operations_are_never_mapped() -> None:
    """A column of operations is one only where it is not mapped; in events there is none."""
    hobby = (make_column("hobby"), make_column("hobby.operation"))
    found = _propose(ONE_EACH, *hobby)
    assert _find(found, "hobby.operation").left_out
    assert "hobby.operation" not in found.to_feed().columns
    assert _map(_propose(NAME, TIME, USER, *hobby))["hobby.operation"] == "hobby_operation"
    assert _map(_propose(ONE_EACH, hobby[1]))["hobby.operation"] == "hobby_operation"


def test_the_description_of_refused_rows_is_left_out() -> None:
    """A failed_rows.csv gives the feed of the file that it came from."""
    found = _propose(NAME, TIME, USER, make_column("Failure Description"))
    assert list(found.to_feed().columns) == ["event_name", "time_stamp", "user_id"]
    assert found.findings == ()


def test_no_two_columns_get_one_name() -> None:
    """A header that the receiver takes keeps its name; one that must change gives way to it."""
    columns = [make_column(name) for name in ("a.b", "a_b", "a&b", "identity.x", "ts")]
    found = _propose(ONE_EACH, *columns)
    assert _map(found) == {
        "user_id": "identity",
        "a.b": "a_b_2",
        "a&b": "a_b_3",
        "identity.x": "identity_x",
        "ts": "ts_2",
    }
    assert "refuses ." in _find(found, "a.b").doubts[0]


@pytest.mark.parametrize("columns", [101, 257])
def test_too_many_properties_are_told(columns: int) -> None:
    """The receiver's limits are said by their rule; the entry is proposed all the same."""
    many = [make_column(f"p{number}") for number in range(columns)]
    found = _propose(*((NAME, TIME, USER) if columns == 101 else (ONE_EACH,)), *many)
    assert [finding.rule for finding in found.findings] == ["property.too_many"]


def test_the_feed_is_one_of_the_model() -> None:
    """What is proposed is a feed already: types, formats and names are those of the configuration."""
    feed = _propose(
        NAME, TIME, USER, make_column("delivered", ISO), make_column("price", Trait.FILLED | Trait.FLOAT)
    ).to_feed()
    assert isinstance(feed, Feed)
    assert feed.files == ("purchases*.csv",)
    assert feed.columns["delivered"].date_format == "yyyy-MM-dd"


def test_every_known_property_of_profiles_has_names() -> None:
    """The table of names has every property that the receiver knows, and no other; identities likewise."""
    assert set(headers.PROFILE_NAMES) == set(clevertap.SYSTEM_PROPERTIES)
    assert {headers.IDENTITY, *headers.OTHER_IDENTITY_NAMES} == set(clevertap.IDENTITIES)
