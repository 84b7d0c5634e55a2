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


def describe_field(field: Field) -> dict[str, Any]:
    """One entry of `fields`."""
    is_number = field.type in NUMBER_TYPES
    digits = 8 if field.type == "int" else 0
    return {
        "aggregatable": field.filterable and field.type != "boolean",
        "aiPredictionField": False,
        "autoNumber": False,
        "byteLength": field.length * (1 if field.is_id else 3),
        "calculated": False,
        "calculatedFormula": None,
        "cascadeDelete": False,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": None,
        "controllerName": None,
        "createable": field.createable,
        "custom": field.custom,
        "defaultValue": field.default if field.type == "boolean" else None,
        "defaultValueFormula": None,
        "defaultedOnCreate": field.default is not None or field.name in {"Id", "OwnerId"} or _is_audit(field),
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": digits,
        "displayLocationInDecimal": False,
        "encrypted": False,
        "externalId": field.external_id,
        "extraTypeInfo": None,
        "filterable": field.filterable,
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": field.filterable and field.type != "datetime",
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.type == "id" or field.external_id or (field.unique and not field.custom),
        "inlineHelpText": None,
        "label": field.label,
        "length": field.length,
        "mask": None,
        "maskType": None,
        "name": field.name,
        "nameField": field.is_name,
        "namePointing": field.is_polymorphic,
        "nillable": field.nillable,
        "permissionable": field.nillable and field.type != "id",
        "picklistValues": [_choice(field, value, label) for value, label in field.picklist],
        "polymorphicForeignKey": field.is_polymorphic,
        "precision": 18 if is_number and field.type != "int" else 0,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship,
        "relationshipOrder": None,
        "restrictedDelete": False,
        "restrictedPicklist": field.restricted,
        "scale": 0,
        "searchPrefilterable": False,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": field.filterable,
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": False,
    }


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
