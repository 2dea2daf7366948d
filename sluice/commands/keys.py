"""sluice keys new NAME: an API key, shown once, and the sum that servers know it by."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.access.keys import digest_of, make_key, parse
from sluice.commands.show import as_json, json_option, say


def add_to(groups: Any) -> None:
    """Declare the command."""
    group = groups.add_parser("keys", help="API keys for callers of functions; docs/security.md")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    text = "make a key; it is kept nowhere, only its sum goes into a setting or a file"
    new_key = commands.add_parser("new", help=text, description=text)
    new_key.add_argument("name", help="whose it is, to know which to take back")
    text = "a graph that it is good for; may be given more than once; default: all"
    new_key.add_argument("--graph", action="append", default=[], help=text)
    new_key.set_defaults(command=new)
    json_option(new_key)


def new(options: argparse.Namespace) -> None:
    """Print a key and its entry."""
    key = make_key()
    entry = ":".join([options.name, digest_of(key).hex(), *options.graph])
    parse([entry], "sluice keys new", "")  # a name that would not be read back
    if options.json:
        as_json({"name": options.name, "key": key, "entry": entry})
        return
    say(f"key, shown only now:  {key}")
    say(f"entry for servers:    {entry}")
    say("put the entry into the file that the setting api_keys_file names, or into SLUICE_API_KEYS")
