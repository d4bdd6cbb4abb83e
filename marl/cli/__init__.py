"""The front door, `marl NOUN VERB`: the one package that may see everything; each command imports its own."""

from marl.cli.front import app, main

__all__ = ["app", "main"]
