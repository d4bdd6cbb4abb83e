"""Arenas, seats, hosts, play and the gateway: the contract and the machinery."""
