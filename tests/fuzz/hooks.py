"""What schemathesis must not send, because the OpenAPI document cannot say whether it is right; and a count of the rest."""

import atexit
import json
import os
import threading

import schemathesis

# The file in which run.py looks how many requests there were.
COUNTS = os.environ.get("LONGHAUL_FUZZ_COUNTS")
# The smallest limit of a text, in bytes of UTF-8.
SMALLEST_LIMIT_BYTES = 64


counts = {"requests": 0, "server_errors": 0}
counting = threading.Lock()


@schemathesis.serializer("application/x-ndjson")
def as_it_is(context, value):
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def after_call(context, case, response):
    with counting:
        counts["requests"] += 1
        counts["server_errors"] += response.status_code >= 500


@atexit.register
def write_counts():
    if COUNTS:
        with open(COUNTS, "w", encoding="utf-8") as file:
            json.dump(counts, file)


@schemathesis.hook
def filter_body(context, body):
    return is_counted_alike(body)


@schemathesis.hook
def filter_query(context, query):
    return is_counted_alike(query)


def is_counted_alike(value):
    """Whether no text has more bytes than characters and may be over a limit: the server counts bytes, a schema characters."""
    if isinstance(value, dict):
        return all(is_counted_alike(key) and is_counted_alike(member) for key, member in value.items())
    if isinstance(value, list):
        return all(map(is_counted_alike, value))
    if isinstance(value, str):
        return value.isascii() or len(value.encode("utf-8", "surrogatepass")) <= SMALLEST_LIMIT_BYTES
    return True
