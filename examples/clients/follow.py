"""Follows a run to its end: follow.py http://localhost:8787 SESSION [RUN]. LONGHAUL_TOKEN has the token, if one is needed."""

import http.client, json, os, random, sys, time, urllib.error, urllib.request

if len(sys.argv) < 3:
    print("usage: follow.py BASE SESSION [RUN]", file=sys.stderr)
    sys.exit(2)
base, session, run = (sys.argv[1:] + ["1"])[:3]
token = os.environ.get("LONGHAUL_TOKEN")
headers = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {token}"} if token else {})
seen, failures = 0, 0  # the cursor: the `seq` of the last event; and attempts since then


def take(stream):
    global seen, failures
    for line in stream:
        if line.startswith(b"data: ") and line.endswith(b"\n"):  # one that broke off has no end: it comes again
            event = json.loads(line[6:])
            seen, failures = event["seq"], 0
            print(seen, event["type"], flush=True)
            if event["type"] == "run.ended":
                sys.exit(0)


while True:
    url, wait = f"{base}/v1/sessions/{session}/events?run={run}&after={seen}", 0
    try:
        # The server is never silent for longer than 15 seconds.
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=45) as stream:
            if stream.status == 204:  # the run had ended at our cursor
                sys.exit(0)
            take(stream)
    except urllib.error.HTTPError as error:
        if error.code < 500 and error.code != 429:  # another attempt would be answered the same
            sys.exit(error.read().decode())
        wait = float(error.headers.get("Retry-After") or 0)
    except (OSError, http.client.HTTPException):
        pass
    failures += 1
    time.sleep(max(wait, random.uniform(0.5, 1) * min(30, 2**failures / 4)))
