"""Serves a model file in a child process by OpenAI's protocol, until its parent ends.

It is run as a script, with nothing of kb. A line of standard input brings the settings, a line of
standard output takes the address; the end of standard input is the end of the parent.
"""

import json
import os
import sys
from typing import Any

import xllamacpp


def main() -> None:
    settings, answers = json.loads(sys.stdin.readline()), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    server = xllamacpp.Server(make_parameters(settings))
    print(server.listening_address, file=answers, flush=True)
    sys.stdin.read()
    os._exit(0)  # the server's threads may be in the midst of a reply that nobody waits for


def make_parameters(settings: dict[str, Any]) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = settings["path"]
    parameters.model_alias = {settings["name"]}
    parameters.n_ctx = settings["context_window"]
    parameters.n_parallel = 1  # each more would have a part of the context only
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    parameters.cache_ram_mib = settings["cache_mb"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0  # any that is free
    parameters.api_keys = [settings["api_key"]]
    parameters.ui = False
    parameters.endpoint_slots = False  # it shows prompts
    parameters.verbosity = 1  # errors
    if pooling := settings["pooling"]:
        parameters.embedding = True
        # a text is read at once, or refused
        parameters.n_batch = parameters.n_ubatch = settings["context_window"]
        if pooling != "model":
            kind = f"LLAMA_POOLING_TYPE_{pooling.upper()}"
            parameters.pooling_type = xllamacpp.llama_pooling_type[kind]
    return parameters


if __name__ == "__main__":
    main()
