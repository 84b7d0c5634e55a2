"""`POST /_sim/credentials`: what the registered application may sign in with, as an administrator sets it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from simulators.control import Action, BadControl, json_of
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import Federation
from simulators.http import Request
from simulators.salesforce.service import SalesforceSimulator


def graph_credentials(graph: GraphSimulator) -> Action:
    """The action of the Graph simulator. It concerns the first application of the tenant."""

    def put(request: Request) -> Any:
        value = _object(request, {"secrets": list, "certificates": list, "federated": list})
        app = next(iter(graph.world.apps.values()))
        if "secrets" in value:
            app = replace(app, secrets=_texts(value, "secrets"))
        if "certificates" in value:
            app = replace(app, public_keys=_keys(value, "certificates"))
        if "federated" in value:
            app = replace(app, federated=tuple(_federation(item) for item in value["federated"]))
        graph.put_app(app)
        return {"client_id": app.client_id, "changed": sorted(value)}

    what = (
        'in place of what was: {"secrets", "certificates": [PEM], "federated": [{"issuer", "subject", "keys": [PEM]}]}'
    )
    return Action("POST", "credentials", what, put)


def salesforce_credentials(salesforce: SalesforceSimulator) -> Action:
    """The action of the Salesforce simulator. It concerns the first application of the org."""

    def put(request: Request) -> Any:
        value = _object(request, {"secret": str, "certificates": list})
        app = salesforce.access.apps[0]
        if "secret" in value:
            app = replace(app, consumer_secret=value["secret"])
        if "certificates" in value:
            app = replace(app, public_keys=_keys(value, "certificates"))
        salesforce.put_app(app)
        return {"consumer_key": app.consumer_key, "changed": sorted(value)}

    return Action("POST", "credentials", 'in place of what was: {"secret", "certificates": [PEM]}', put)


def _federation(item: Any) -> Federation:
    known = {"issuer", "subject", "audience", "keys"}
    if not isinstance(item, dict) or not {"issuer", "subject", "keys"} <= item.keys() <= known:
        raise BadControl("federated needs objects with issuer, subject and keys, and perhaps audience")
    federation = Federation(str(item["issuer"]), str(item["subject"]), public_keys=_keys(item, "keys"))
    return replace(federation, audience=str(item["audience"])) if "audience" in item else federation


def _object(request: Request, known: Mapping[str, type]) -> dict[str, Any]:
    value = json_of(request)
    if not isinstance(value, dict) or not value:
        raise BadControl(f"the body is not a JSON object with some of {', '.join(known)}")
    problems = [f"unknown {name}" for name in value if name not in known]
    problems += [
        f"{name} is no {kind.__name__}" for name, kind in known.items() if not isinstance(value.get(name, kind()), kind)
    ]
    if problems:
        raise BadControl("; ".join(problems))
    return value


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    if not isinstance(value[name], list) or not all(isinstance(item, str) for item in value[name]):
        raise BadControl(f"{name} is not a list of texts")
    return tuple(value[name])


def _keys(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    pems = _texts(value, name)
    for pem in pems:
        raw = pem.encode()
        try:
            x509.load_pem_x509_certificate(raw) if b"CERTIFICATE" in raw else load_pem_public_key(raw)
        except ValueError:
            raise BadControl(f"{name} holds a text that is neither a certificate nor a public key (PEM)") from None
    return pems
