"""The table of endpoints as an OpenAPI 3.1 description, for tools that test or generate clients.

Place on the data path: none; built once. Invariant: it is made from the records that requests are checked
against, so it cannot promise a parameter that is refused, or hide one that is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import engine
from engine.venue.binance.endpoints import SIGNATURE_PARAMETERS, Endpoint, Security
from engine.venue.binance.parameters import Kind, Parameter

__all__ = ["describe"]

_STATUSES = {
    "400": "The request is refused",
    "401": "The key or its permissions are refused",
    "403": "Foreign host or origin",
    "409": "Cancel-replace succeeded in part",
    "413": "The body is too long",
    "414": "The query is too long",
    "418": "Banned for ignoring 429",
    "429": "Too many requests or orders",
    "500": "Internal error",
    "502": "The venue is down",
    "503": "Overloaded, or the outcome is unknown",
}


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The description."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stormdesk venue, Binance Spot dialect",
            "version": engine.__version__,
            "description": "Parameters may stand in the query or, but for GET, in a form body.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["code", "msg"],
                    "properties": {
                        "code": {"type": "integer"},
                        "msg": {"type": "string"},
                        "data": {},
                    },
                    "additionalProperties": False,
                }
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    parameters = list(endpoint.parameters)
    if endpoint.security.is_signed:
        parameters += SIGNATURE_PARAMETERS
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '_')}",
        "summary": endpoint.summary,
        "parameters": [_parameter(parameter) for parameter in parameters],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": {}}}},
            **{
                status: {
                    "description": text,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
                for status, text in _STATUSES.items()
            },
        },
    }
    if endpoint.security is not Security.NONE:
        operation["security"] = [{"key": []}]
    if isinstance(endpoint.weight, int):
        operation["x-weight"] = endpoint.weight
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any]
    if parameter.choices:
        schema = {"type": "string", "enum": list(parameter.choices)}
    elif parameter.kind is Kind.LONG:
        schema = {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
    elif parameter.kind is Kind.BOOLEAN:
        schema = {"type": "boolean"}
    else:
        schema = {"type": parameter.kind.json_type, "pattern": parameter.kind.pattern}
    if parameter.default:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "schema": schema,
    }
