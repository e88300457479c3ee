"""The HTTP API: from its own OpenAPI document, and from what it answers on the example site."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any

from django.test import Client
from django.test.utils import override_settings

from .markdown import WIDTH, code, compact, fence, filled, slug, table

ADDRESS = "/souvenirs/api"

AUTHORIZATION = "Bearer ..."

MOMENTS = ("2016-01-31", "2016-01-31T09:30", "2016-01-31T09:30:00Z")

#: What every answer has.
COMMON = ("question", "rows")

#: As many rows tell what the others are like, for which this stands.
FEW = 4
MORE = '"..."'


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the example site, without the fields that it lists."""
    with override_settings(SOUVENIRS_GROUP_BY=[]):
        found: dict[str, Any] = _get("openapi.json").json()
    return found


@cache
def operations() -> dict[str, dict[str, Any]]:
    """Return what each endpoint does, by its name."""
    return {path.strip("/"): methods["get"] for path, methods in document()["paths"].items()}


def known() -> list[str]:
    return list(operations())


def endpoints(names: Sequence[str]) -> str:
    """Return the list of all endpoints."""
    rows = [(_link(name), operation["summary"]) for name, operation in operations().items()]
    return table(["endpoint", "answer"], rows)


def endpoint(names: Sequence[str]) -> str:
    """Return the section of an endpoint, with the answer to a query as an example."""
    name = names[0]
    operation = operations()[name]
    parameters = ", ".join(
        f"{_link(each['name'])}{_own_default(each)}" for each in operation["parameters"]
    )
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    rows = answer["properties"]["rows"]["items"]
    more = {key: value for key, value in answer["properties"].items() if key not in COMMON}
    parts = [
        f"### {name}",
        f"{operation['summary']} {operation['description']}",
        f"Parameters: {parameters}.{_default_range(name)}",
        table(["in each row", "type", "meaning"], _properties(rows)),
    ]
    if more:
        columns = ["beside the rows", "type", "meaning"]
        parts.append(table(columns, _properties({"properties": more})))
    return "\n\n".join([*parts, example(["?".join(names)])])


def parameters(names: Sequence[str]) -> str:
    """Return a section for each parameter of any endpoint."""
    found: dict[str, dict[str, Any]] = {}
    takers: dict[str, list[str]] = {}
    for name, operation in operations().items():
        for each in operation["parameters"]:
            found.setdefault(each["name"], each)
            takers.setdefault(each["name"], []).append(name)
    return "\n\n".join(_parameter(each, takers[name]) for name, each in found.items())


def errors(names: Sequence[str]) -> str:
    """Return the statuses of errors."""
    responses = next(iter(operations().values()))["responses"]
    rows = [(status, each["description"]) for status, each in responses.items() if status >= "400"]
    return table(["status", "meaning"], rows)


def refusals(names: Sequence[str]) -> str:
    """Return requests that cannot be answered, and why."""
    return "\n".join(f"* `{path}`: {_get(path).json()['error']['message']}" for path in names)


def example(names: Sequence[str]) -> str:
    """Return a request to the example site, and its answer."""
    [path] = names
    response = _get(path)
    if response.headers["Content-Type"].startswith("text/csv"):
        answer = response.content.decode().replace("\r\n", "\n").strip()
    else:
        answer = compact(_shortened(response.json()))
    return fence(f"{_request(path)}\n{answer}", "console").replace(MORE, "...")


def _request(path: str) -> str:
    name, _, query = path.partition("?")
    lines = [
        f'$ curl -G -H "Authorization: {AUTHORIZATION}" https://example.com{ADDRESS}/{name}',
        *filled((f"-d {each}" for each in query.split("&") if each), " ", WIDTH - 6),
    ]
    return " \\\n    ".join(lines)


def _shortened(answer: dict[str, Any]) -> dict[str, Any]:
    if len(answer.get("rows", ())) <= FEW:
        return answer
    return {**answer, "rows": [*answer["rows"][:FEW], json.loads(MORE)]}


def _default_range(name: str) -> str:
    preset = _get(name).json()["question"].get("preset")
    return f" Without a range: `preset={preset}`." if preset else ""


def _get(path: str) -> Any:
    return Client(headers={"authorization": AUTHORIZATION}).get(f"{ADDRESS}/{path}")


def _parameter(parameter: dict[str, Any], takers: Sequence[str]) -> str:
    name = parameter["name"]
    facts = [f"Values: {_values_of_each(name, takers)}."]
    defaults = {_default(each) for taker in takers for each in _named(taker, name)}
    if len(defaults) == 1 and None not in defaults:
        facts.append(f"Default: `{defaults.pop()}`.")
    if len(takers) < len(operations()):
        facts.append(f"Only for {', '.join(map(_link, takers))}.")
    said = {taker: each["description"] for taker in takers for each in _named(taker, name)}
    about = [f"{of[:1].upper()}{of[1:]}{text}" for of, text in _of_each(said)]
    return "\n\n".join([f"### {name}", *about, " ".join(facts)])


def _link(name: str) -> str:
    return f"[`{name}`](#{slug(name)})"


def _named(endpoint: str, name: str) -> list[dict[str, Any]]:
    return [each for each in operations()[endpoint]["parameters"] if each["name"] == name]


def _default(parameter: dict[str, Any]) -> str | None:
    default = parameter["schema"].get("default")
    return default if default is None or isinstance(default, str) else json.dumps(default)


def _own_default(parameter: dict[str, Any]) -> str:
    """A default that other endpoints do not share."""
    name = parameter["name"]
    all_defaults = {_default(each) for other in operations() for each in _named(other, name)}
    return f" (default: `{_default(parameter)}`)" if len(all_defaults) > 1 else ""


def _values_of_each(name: str, takers: Sequence[str]) -> str:
    """The values of a parameter, of each endpoint if these differ."""
    found = {taker: _values(each["schema"]) for taker in takers for each in _named(taker, name)}
    return "; ".join(f"{of}{values}" for of, values in _of_each(found))


def _of_each(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each text with the endpoints that it is about, if there are others."""
    found: dict[str, list[str]] = {}
    for endpoint, text in texts.items():
        found.setdefault(text, []).append(endpoint)
    if len(found) == 1:
        return [("", text) for text in found]
    return [(f"of {', '.join(map(_link, names))}: ", text) for text, names in found.items()]


def _values(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return ", or ".join(map(_values, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(code, schema["enum"]))
    if schema["type"] == "integer":
        return f"a whole number from {schema['minimum']:,} to {schema['maximum']:,}"
    if schema["type"] == "boolean":
        return "`true`, `false`"
    if "examples" in schema:
        return f"text such as {' or '.join(map(code, schema['examples']))}"
    if "maxLength" in schema:
        return f"text of at most {schema['maxLength']} characters"
    return f"a date or date and time in ISO 8601, such as {', '.join(map(code, MOMENTS))}"


def _properties(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    """A row for each run of properties that are alike."""
    properties = schema["properties"]
    required = schema.get("required", properties)
    return [
        (
            ", ".join(map(code, names)),
            _type(each),
            each.get("description", "") if is_required else "Only with `by`.",
        )
        for (is_required, each), names in groupby(
            properties, lambda name: (name in required, properties[name])
        )
    ]


def _type(schema: dict[str, Any]) -> str:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if schema["type"] == "array":
        return f"array of {_type(schema['items'])}"
    if schema["type"] == "object":
        return f"object of {', '.join(map(code, schema['properties']))}"
    names = ["date-time" if "format" in schema and kind == "string" else kind for kind in kinds]
    return " or ".join(names)
