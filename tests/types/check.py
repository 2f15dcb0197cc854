#!/usr/bin/env python3
"""Holds requests against the types of OpenAI's and Anthropic's own Python SDKs, a line of JSON each:

    {"format": "chat" | "responses" | "messages", "name": "...", "beyond": [], "body": {...}}

`cargo xtask test --only types` makes the lines (crates/models/examples/requests.rs), installs the SDKs and runs this.

The SDKs describe requests as typed dictionaries, and those let an unknown key pass and a list be read later or never. Here
an unknown key is a fault, and every list is read. `beyond` names fields of other servers and of older models, which the
SDKs do not know.

So that nothing passes unseen, each request of the usual form is tried again with an unknown key in each of its objects, one
after the other, and each of those must be refused.
"""

import copy
import json
import sys
from functools import cache

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

TYPES = {
    "chat": CompletionCreateParamsStreaming,
    "responses": ResponseCreateParamsStreaming,
    "messages": MessageCreateParamsStreaming,
}
# What a schema or a tool's arguments may hold is the tool's own affair.
FREE = {"parameters", "input_schema", "input"}
UNKNOWN = "longhaul_unknown"
# Faults of one request that are shown: a union tells those of each of its members.
SHOWN_MAX = 12


@cache
def validator(format_name):
    """What takes a request of a format as its SDK describes it, and nothing else."""
    adapter = TypeAdapter(TYPES[format_name])
    schema = copy.deepcopy(adapter.core_schema)
    close(schema)
    return SchemaValidator(schema)


class Answer:
    """What is no request: the SDKs take the objects of their answers in requests as well, and those have any key."""


def close(schema):
    """Forbids unknown keys in every typed dictionary of a schema, makes a list of every iterable, and closes the ways
    around the typed dictionaries."""
    if isinstance(schema, dict):
        match schema.get("type"):
            case "typed-dict":
                schema["extra_behavior"] = "forbid"
            case "generator":
                schema["type"] = "list"
            case "model":
                reference = {"ref": schema["ref"]} if "ref" in schema else {}
                schema.clear()
                schema.update(type="is-instance", cls=Answer, **reference)
        for part in schema.values():
            close(part)
    elif isinstance(schema, (list, tuple)):
        for part in schema:
            close(part)


def without(value, names):
    """The value without the members of these names."""
    if isinstance(value, dict):
        return {name: without(member, names) for name, member in value.items() if name not in names}
    if isinstance(value, list):
        return [without(item, names) for item in value]
    return value


def faults(line):
    """What is wrong with a request, as its SDK sees it."""
    body = without(line["body"], line["beyond"])
    try:
        validator(line["format"]).validate_python(body, strict=True)
    except ValidationError as error:
        # The place of a fault in the SDK's types is often longer than the fault.
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
    return []


def objects(value, beyond, place=""):
    """Every object in a request whose keys its SDK knows, with its place."""
    if isinstance(value, dict):
        yield place, value
        for name, member in value.items():
            if name not in beyond and not (name in FREE and isinstance(member, dict)):
                yield from objects(member, beyond, f"{place}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, beyond, f"{place}/{index}")


def tried(line):
    """How many unknown keys a request was tried with, and the places of those that nobody refused."""
    count, unseen = 0, []
    for place, part in objects(line["body"], line["beyond"]):
        part[UNKNOWN] = 1
        count += 1
        if not faults(line):
            unseen.append(place or "/")
        del part[UNKNOWN]
    return count, unseen


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    counts = dict.fromkeys(TYPES, 0)
    wrong = keys = 0
    for line in lines:
        counts[line["format"]] += 1
        found = faults(line)
        if not found and line["name"].endswith("the usual form"):
            count, unseen = tried(line)
            keys += count
            found = [f"{place}: an unknown key is not refused" for place in unseen]
        if found:
            wrong += 1
            print(f"{line['format']}: {line['name']}")
            for fault in found[:SHOWN_MAX]:
                print(f"    {fault}")
    empty = [name for name, count in counts.items() if count == 0]
    if empty:
        print(f"there is no request of {', '.join(empty)}")
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"measured: the SDKs' types take {shown} requests, and refuse {keys} of them with an unknown key")
    return 1 if wrong or empty or keys == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
