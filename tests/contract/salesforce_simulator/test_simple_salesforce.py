"""simple-salesforce itself against the simulator: every login form and call it offers for what is simulated."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from simple_salesforce import Salesforce, SalesforceLogin, format_soql
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_external_id
from support.salesforce_client import KEY, SECRET, event_body
from support.salesforce_requests import SimulatorAdapter, session_on

from simulators.clock import SimulatorClock
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.ids import to18
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.schema import column
from simulators.salesforce.service import SalesforceSimulator

USER = "integration@concord.example"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """The key that the application signs with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def simulator(key: rsa.RSAPrivateKey) -> SalesforceSimulator:
    """An org on the wall clock, as simple-salesforce signs assertions with real time."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    app = ConnectedApp(KEY, SECRET, execution_user=USER, public_keys=(pem,))
    access = Access(apps=(app,), passwords={USER: "passTOKEN"})
    return SalesforceSimulator(
        Org(), SimulatorClock(), random.Random(1), access=access, behaviour=Behaviour(page_rows=3, replication_hold=0.0)
    )


@pytest.fixture
def client(simulator: SalesforceSimulator) -> Salesforce:
    """A client logged in with client credentials."""
    session, _adapter = session_on(simulator)
    return Salesforce(consumer_key=KEY, consumer_secret=SECRET, domain="concord.my", session=session)


def test_every_login_form_gives_a_session(simulator: SalesforceSimulator, key: rsa.RSAPrivateKey) -> None:
    """Client credentials, JWT, password grant, and the two SOAP forms log in and can then query."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    forms: list[dict[str, Any]] = [
        {"consumer_key": KEY, "consumer_secret": SECRET, "domain": "concord.my"},
        {"username": USER, "consumer_key": KEY, "privatekey": pem},
        {"username": USER, "password": "passTOKEN", "consumer_key": KEY, "consumer_secret": SECRET},
        {"username": USER, "password": "pass", "security_token": "TOKEN"},
        {"username": USER, "password": "passTOKEN", "organizationId": Org().id},
    ]
    for form in forms:
        session, _adapter = session_on(simulator)
        client = Salesforce(session=session, **form)
        assert client.query("SELECT Id FROM User")["totalSize"] == 1, form


def test_a_refused_login_is_told(simulator: SalesforceSimulator) -> None:
    """A wrong secret and a wrong password raise SalesforceAuthenticationFailed with the service's words."""
    session, _adapter = session_on(simulator)
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid_client"):
        SalesforceLogin(session=session, consumer_key=KEY, consumer_secret="x", domain="concord.my")
    with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
        SalesforceLogin(session=session, username=USER, password="x", security_token="y")


def test_records_live_their_life(client: Salesforce) -> None:
    """Create, get, update, upsert, delete and describe by the object's attribute."""
    made = client.Event.create(event_body(Concord_Sync_Key__c="a/b c"))
    assert made["success"] is True
    assert client.Event.update(made["id"], {"Subject": "New"}) == 204
    assert client.Event.get(made["id"])["Subject"] == "New"
    path = format_external_id("Concord_Sync_Key__c", "a/b c")
    assert client.Event.upsert(path, {"Subject": "Newer"}) == 200
    assert client.Event.upsert(format_external_id("Concord_Sync_Key__c", "other"), event_body()) == 201
    raw = client.Event.upsert(path, {"Subject": "Newest"}, raw_response=True)
    assert raw.json() == {"id": made["id"], "success": True, "errors": [], "created": False}
    assert client.Event.delete(made["id"]) == 204
    assert client.Event.describe()["name"] == "Event"
    assert client.Event.metadata()["objectDescribe"]["keyPrefix"] == "00U"
    assert client.describe()["maxBatchSize"] == 200
    assert client.Contact.create({"LastName": "Kim", "Email": "k@kim.example"})["success"] is True


def test_queries_run_through_all_pages(client: Salesforce) -> None:
    """query, query_more, query_all and query_all_iter see the pages of the service's choosing."""
    ids = [client.Event.create(event_body(Subject=f"n{place}"))["id"] for place in range(8)]
    client.Event.delete(ids[0])
    first = client.query("SELECT Id FROM Event ORDER BY Subject")
    assert (first["totalSize"], first["done"], len(first["records"])) == (7, False, 3)
    more = client.query_more(first["nextRecordsUrl"], identifier_is_url=True)
    assert len(more["records"]) == 3
    assert len(client.query_all("SELECT Id FROM Event")["records"]) == 7
    assert len(list(client.query_all_iter("SELECT Id FROM Event", include_deleted=True))) == 8
    soql = format_soql("SELECT Id FROM Event WHERE Subject IN {} AND Id != {}", ["n3", "it's"], ids[4])
    assert [row["Id"] for row in client.query(soql)["records"]] == [ids[3]]


def test_replication_windows(client: Salesforce, simulator: SalesforceSimulator) -> None:
    """Updated and deleted with aware datetimes, in the encoding that the client chooses."""
    made, gone = (client.Event.create(event_body())["id"] for _ in range(2))
    client.Event.delete(gone)
    assert isinstance(simulator.clock, SimulatorClock)
    simulator.clock.advance(120)
    now = simulator.clock.now()
    start = now - timedelta(minutes=10)
    assert client.Event.updated(start, now)["ids"] == [made]
    assert [row["id"] for row in client.Event.deleted(start, now)["deletedRecords"]] == [gone]


def test_free_calls_reach_composite_and_limits(client: Salesforce) -> None:
    """Restful is the way to collections and composite; limits and api_usage are filled."""
    record = {"attributes": {"type": "Event"}, **event_body()}
    results = client.restful("composite/sobjects", method="POST", json={"records": [record, record]})
    assert [item["success"] for item in results] == [True, True]
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000
    assert client.restful(f"sobjects/Event/{results[0]['id']}", method="DELETE") is None


def test_refusals_become_the_clients_exceptions(client: Salesforce, simulator: SalesforceSimulator) -> None:
    """400, 403, 404 and 405 raise what the client documents, with the JSON list as content."""
    with pytest.raises(SalesforceMalformedRequest) as malformed:
        client.Event.create({"Nope": 1})
    assert malformed.value.content[0]["errorCode"] == "INVALID_FIELD"
    with pytest.raises(SalesforceMalformedRequest):
        client.query("SELECT Nope FROM Event")
    with pytest.raises(SalesforceResourceNotFound):
        client.Event.get(to18("00UQH0000000000"))
    with pytest.raises(SalesforceGeneralError):
        client.restful("sobjects/Event/describe", method="DELETE")
    simulator.usage.spent = 100_000
    with pytest.raises(SalesforceRefusedRequest):
        client.query("SELECT Id FROM Event")


def test_several_matches_raise_more_than_one_record() -> None:
    """A 300 becomes SalesforceMoreThanOneRecord."""
    loose = column("Loose__c", "string", "Loose", "NCU", length=50, external_id=True, custom=True)
    org = Org(custom_fields={"Event": (loose,)})
    simulator = SalesforceSimulator(org, SimulatorClock(), random.Random(1))
    session, _adapter = session_on(simulator)
    client = Salesforce(session_id=simulator.issue_token(), instance_url="https://concord.my", session=session)
    for _ in range(2):
        client.Event.create(event_body(Loose__c="twice"))
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Event.upsert("Loose__c/twice", {"Subject": "x"})


def test_an_expired_token_is_renewed_once(client: Salesforce, simulator: SalesforceSimulator) -> None:
    """The client logs in again after a 401 as a JSON list; with a bare session id it gives up."""
    simulator.expire_tokens()
    assert client.query("SELECT Id FROM User")["totalSize"] == 1
    session, _adapter = session_on(simulator)
    bare = Salesforce(session_id=simulator.issue_token(), instance_url="https://concord.my", session=session)
    assert bare.query("SELECT Id FROM User")["totalSize"] == 1
    simulator.expire_tokens()
    with pytest.raises(SalesforceExpiredSession):
        bare.query("SELECT Id FROM User")


def test_the_call_options_of_the_session_name_the_client(client: Salesforce, simulator: SalesforceSimulator) -> None:
    """Set on the session, Sforce-Call-Options goes with every call and shows in the origin."""
    client.session.headers["Sforce-Call-Options"] = "client=concord"
    client.Event.create(event_body())
    assert simulator.changes[-1].change_origin == "com/salesforce/api/rest/59.0;client=concord"
    adapter = client.session.adapters["https://"]
    assert isinstance(adapter, SimulatorAdapter)
    assert adapter.seen[-1][1] == "/services/data/v59.0/sobjects/Event/"
