"""The optional peers of the bench: other servers of models, each with an environment of its own.

An app here serves what bench/fastapi_app.py serves, as the server's own documentation would have
it; NAME.txt pins what it is installed with. docs/peers.md explains.
"""
