"""Describe: the schema as JSON, one object or all of them."""

from __future__ import annotations

from typing import Any, Final

from simulators.salesforce.schema import NAME_OBJECT, NUMBER_TYPES, Field, Schema, SObject

BATCH_MAX: Final = 200
_SOAP_TYPES: Final = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


def describe_global(schema: Schema, version: str) -> dict[str, Any]:
    """GET /sobjects."""
    summaries = [_summary(item, version) for item in _public(schema)]
    return {"encoding": "UTF-8", "maxBatchSize": BATCH_MAX, "sobjects": summaries}


def describe_object(schema: Schema, sobject: SObject, version: str) -> dict[str, Any]:
    """GET /sobjects/{name}/describe."""
    children = [
        {
            "cascadeDelete": sobject.name == "Event",
            "childSObject": item.child.name,
            "deprecatedAndHidden": False,
            "field": item.field.name,
            "junctionIdListNames": [],
            "junctionReferenceTo": [],
            "relationshipName": item.name,
            "restrictedDelete": False,
        }
        for item in schema.children(sobject)
    ]
    return {
        "actionOverrides": [],
        "childRelationships": children,
        "compactLayoutable": True,
        "fields": [describe_field(field) for field in sobject.fields],
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [],
        "searchLayoutable": "search" in sobject.calls,
        "supportedScopes": [{"label": f"All {sobject.plural}", "name": "everything"}],
        **_summary(sobject, version),
    }


def basic_information(sobject: SObject, version: str) -> dict[str, Any]:
    """GET /sobjects/{name}."""
    return {"objectDescribe": _summary(sobject, version), "recentItems": []}


_NEVER: Final[dict[str, Any]] = {
    "aiPredictionField": False,
    "autoNumber": False,
    "calculated": False,
    "calculatedFormula": None,
    "cascadeDelete": False,
    "compoundFieldName": None,
    "controllerName": None,
    "defaultValueFormula": None,
    "dependentPicklist": False,
    "deprecatedAndHidden": False,
    "displayLocationInDecimal": False,
    "encrypted": False,
    "extraTypeInfo": None,
    "filteredLookupInfo": None,
    "formulaTreatNullNumberAsZero": False,
    "highScaleNumber": False,
    "htmlFormatted": False,
    "inlineHelpText": None,
    "mask": None,
    "maskType": None,
    "queryByDistance": False,
    "referenceTargetField": None,
    "relationshipOrder": None,
    "restrictedDelete": False,
    "scale": 0,
    "searchPrefilterable": False,
    "writeRequiresMasterRead": False,
}
"""What no field of these objects has."""


def describe_field(field: Field) -> dict[str, Any]:
    """One entry of `fields`, its members in order of their names."""
    is_double = field.type in NUMBER_TYPES and field.type != "int"
    body = {
        **_NEVER,
        "aggregatable": field.filterable and field.type != "boolean",
        "byteLength": field.length * (1 if field.is_id else 3),
        "caseSensitive": field.case_sensitive,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": field.default if field.type == "boolean" else None,
        "defaultedOnCreate": field.default is not None or field.name in {"Id", "OwnerId"} or _is_audit(field),
        "digits": 8 if field.type == "int" else 0,
        "externalId": field.external_id,
        "filterable": field.filterable,
        "groupable": field.filterable and field.type != "datetime",
        "idLookup": field.type == "id" or field.external_id or (field.unique and not field.custom),
        "label": field.label,
        "length": field.length,
        "name": field.name,
        "nameField": field.is_name,
        "namePointing": field.is_polymorphic,
        "nillable": field.nillable,
        "permissionable": field.nillable and field.type != "id",
        "picklistValues": [_choice(field, value, label) for value, label in field.picklist],
        "polymorphicForeignKey": field.is_polymorphic,
        "precision": 18 if is_double else 0,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship,
        "restrictedPicklist": field.restricted,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": field.filterable,
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable,
    }
    return dict(sorted(body.items()))


def _choice(field: Field, value: str, label: str) -> dict[str, Any]:
    return {
        "active": True,
        "defaultValue": field.default == value,
        "label": label,
        "validFor": None,
        "value": value,
    }


def _is_audit(field: Field) -> bool:
    return field.name in {"CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}


def _public(schema: Schema) -> list[SObject]:
    return [item for item in schema.objects if item.name != NAME_OBJECT]


def _summary(sobject: SObject, version: str) -> dict[str, Any]:
    calls = sobject.calls
    return {
        "activateable": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "createable": "create" in calls,
        "custom": sobject.custom,
        "customSetting": False,
        "deepCloneable": False,
        "deletable": "delete" in calls,
        "deprecatedAndHidden": False,
        "feedEnabled": False,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "keyPrefix": sobject.prefix or None,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "layoutable": "create" in calls,
        "mergeable": sobject.name in {"Account", "Contact", "Lead"},
        "mruEnabled": "create" in calls,
        "name": sobject.name,
        "queryable": "query" in calls,
        "replicateable": "replicate" in calls,
        "retrieveable": "retrieve" in calls,
        "searchable": "search" in calls,
        "triggerable": "create" in calls and sobject.name != "EventRelation",
        "undeletable": "undelete" in calls,
        "updateable": "update" in calls,
        "urls": _urls(sobject, version),
    }


def _urls(sobject: SObject, version: str) -> dict[str, str]:
    path = f"/services/data/v{version}/sobjects/{sobject.name}"
    return {"rowTemplate": f"{path}/{{ID}}", "describe": f"{path}/describe", "sobject": path}
