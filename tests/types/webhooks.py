#!/usr/bin/env python3
"""Holds webhooks against the code of Standard Webhooks, a line of JSON each:

    {"secrets": ["whsec_..."], "headers": {...}, "body": "..."}

`cargo xtask test --only types` makes the lines (crates/trace/examples/webhooks.rs) and runs this. Each must pass with each of
its secrets, and with none of them once anything in it is another.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

STRANGE = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def passes(secret, body, headers):
    """Whether a receiver with this secret takes it."""
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def faults(line):
    """What is wrong with one webhook."""
    body, headers = line["body"], line["headers"]
    for secret in line["secrets"]:
        if not passes(secret, body, headers):
            yield "it is refused with one of its secrets"
        changed = {
            "another body": (body + " ", headers),
            "another id": (body, {**headers, "webhook-id": headers["webhook-id"] + "0"}),
            "another time": (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        }
        for what, (other_body, other_headers) in changed.items():
            if passes(secret, other_body, other_headers):
                yield f"{what} is taken"
    if passes(STRANGE, body, headers):
        yield "it is taken with a strange secret"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    found = [f"{line['headers']['webhook-id']}: {fault}" for line in lines for fault in faults(line)]
    for fault in found:
        print(fault)
    print(f"measured: Standard Webhooks takes {len(lines)} webhooks by their signatures, and none that was changed")
    return 1 if found or not lines else 0


if __name__ == "__main__":
    sys.exit(main())
