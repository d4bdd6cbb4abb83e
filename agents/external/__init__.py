"""Agents that play from outside, over a socket: each is one file that needs nothing but Python's standard library."""
