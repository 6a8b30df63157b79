"""Bodies of requests, parsed here: what is malformed is the caller's fault and never reaches a server."""

from typing import Any, TypeVar

import pydantic_core
from pydantic import BaseModel
from starlette.requests import Request

from s1_gateway.errors import invalid

Model = TypeVar("Model", bound=BaseModel)


def parse_json(body: bytes | str, what: str = "the body") -> Any:
    """Parse JSON.

    Raises:
        GatewayError: it is none; the message says where.
    """
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise invalid(None, f"{what} is not JSON: {error}") from None


async def read_json(request: Request, model: type[Model]) -> Model:
    """Read a request's body as JSON, whatever its content type says.

    Raises:
        GatewayError: it is no JSON.
        ValidationError: it is not what the model wants.
    """
    return model.model_validate(parse_json(await request.body()))


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Describe such a body in the OpenAPI description: the ``openapi_extra`` of a route."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _inline(schema, definitions)}}}
    }


def _inline(part: Any, definitions: dict[str, Any]) -> Any:
    """Put what is referred to in place: the description of a route has no place for definitions."""
    if isinstance(part, list):
        return [_inline(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if reference := part.get("$ref"):
        return _inline(definitions[reference.removeprefix("#/$defs/")], definitions)
    return {key: _inline(value, definitions) for key, value in part.items()}
