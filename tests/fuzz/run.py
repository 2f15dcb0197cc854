#!/usr/bin/env python3
"""Fuzzes the HTTP API of a running server with schemathesis, by the OpenAPI document of this repository.

    cargo xtask dev -- --port 20123 --var AUTH:tokens --var "API_TOKENS:fuzz/all:token-of-an-operator[admin,operator]"
    LONGHAUL_TOKEN=token-of-an-operator python3 tests/fuzz/run.py --url http://127.0.0.1:20123 --seconds 300

The server gets some thousand runs, so it should be one that may be thrown away; its models should be the scripted ones.
The exit code is 0 when nothing was found. What was found is printed with a curl command that shows it again.

The packages of requirements.txt are installed into .tools/schemathesis on first use. Only Python's own modules are
needed for that, and a Python with `venv`.
"""

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOCUMENT = ROOT / "dashboard/static/openapi.json"
REQUIREMENTS = HERE / "requirements.txt"
ENVIRONMENT = ROOT / ".tools/schemathesis"
# What a server without a provider has: any other name is well-formed, and refused with 422.
MODELS = ["scripted:haiku", "scripted:echo"]
# No document can say that a fallback is another model than the run's: this one is no run's.
FALLBACKS = ["scripted:slow"]
# The default agent has no tools, and allows fewer answers than an agent may.
ITERATIONS_MAX = 6
AGENTS = ["default"]


def main():
    arguments = parsed()
    if arguments.install:
        return install()
    if not os.environ.get("LONGHAUL_TOKEN"):
        sys.exit("set LONGHAUL_TOKEN to a token of the server")
    install()
    with tempfile.TemporaryDirectory(prefix="longhaul-fuzz-") as directory:
        document = Path(directory) / "openapi.json"
        document.write_text(json.dumps(narrowed(json.loads(DOCUMENT.read_text(encoding="utf-8")))), encoding="utf-8")
        command = [ENVIRONMENT / "bin/schemathesis", "--config-file", HERE / "schemathesis.toml", "run", document]
        command += ["--url", arguments.url]
        if arguments.seconds is not None:
            command += ["--max-time", str(arguments.seconds)]
        # One worker: more of them crash Python 3.11 in `ast.parse`, and the server is not what they wait for.
        command += ["--workers", "1"]
        if arguments.seed is not None:
            command += ["--seed", str(arguments.seed)]
        counts = Path(directory) / "counts.json"
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["LONGHAUL_FUZZ_COUNTS"] = str(counts)
        status, violations = shown(command + arguments.more, directory, environment)
        if counts.is_file():
            counted = json.loads(counts.read_text(encoding="utf-8"))
            requests, server_errors = counted["requests"], counted["server_errors"]
            print(f"counted: {requests} requests, {server_errors} server errors, {violations} violations")
        return status


def shown(command, directory, environment):
    """Runs schemathesis and shows what it says. Its exit code, and how many failures it numbered."""
    violations = 0
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, cwd=directory, env=environment, **pipe) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            violations += re.match(r"- ", line) is not None
    return process.returncode, violations


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8787", help="the server, without a path")
    parser.add_argument("--seconds", type=int, help="how long it goes on finding new requests; else one round of them")
    parser.add_argument("--seed", type=int, help="makes a run again: the last lines of each name its seed")
    parser.add_argument("--install", action="store_true", help="only install what is missing")
    parser.add_argument("more", nargs="*", help="after `--`: more arguments of `schemathesis run`")
    return parser.parse_args()


def narrowed(document):
    """The document with the names that exist, so that what is left is accepted or refused by its form alone; and without
    the longest texts, which take minutes to make up: the end to end tests send them."""
    schemas = document["components"]["schemas"]
    schemas["ModelName"] = {"enum": MODELS}
    for name in ["NewRun", "NewSession", "NewComparison"]:
        properties = schemas[name]["properties"]
        properties["agent"] = {"enum": [*AGENTS, None]}
        if "fallbacks" in properties:
            properties["fallbacks"]["items"] = {"enum": FALLBACKS}
            properties["tools"] = {"enum": [[], None]}
            properties["max_iterations"]["maximum"] = ITERATIONS_MAX
            # Which schemas it may be stands in the words of the document alone.
            properties["output_schema"] = {"enum": [{"type": "object"}, None]}
        del properties["task"]["maxLength"], properties["instructions"]["maxLength"]
    # What goes with which decision stands in the words of the document alone.
    decision = schemas["Decision"]
    forms = {"approve": ["arguments"], "deny": ["reason"], "settle": ["result"], "retry": []}
    schemas["Decision"] = {"oneOf": [form_of(decision, word, own) for word, own in forms.items()]}
    return document


def form_of(decision, word, own):
    """One decision with its own members, and those that each has."""
    shared = ["digest", "request"]
    members = {name: decision["properties"][name] for name in [*own, *shared]}
    required = ["decision", *(name for name in own if name == "result")]
    return {**decision, "properties": {"decision": {"const": word}, **members}, "required": required}


def install():
    """Makes the environment, unless it is there for these packages, this place and this Python."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with open(ENVIRONMENT.parent / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = ENVIRONMENT / ".fingerprint"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == fingerprint():
            return
        if ENVIRONMENT.exists():
            shutil.rmtree(ENVIRONMENT)
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        pip = [ENVIRONMENT / "bin/python3", "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
        pip += ["--disable-pip-version-check", "--quiet", "--requirement", REQUIREMENTS]
        subprocess.run(pip, check=True)
        stamp.write_text(fingerprint(), encoding="utf-8")


def fingerprint():
    """An environment is good for one list of packages, one place and one Python."""
    packages = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    python = (ENVIRONMENT / "bin/python3").resolve()
    return f"{packages}\n{ENVIRONMENT}\n{python}\n"


if __name__ == "__main__":
    sys.exit(main())
