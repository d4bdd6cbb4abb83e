"""Agents that play from outside, over a socket: each one file that needs only the standard library."""
