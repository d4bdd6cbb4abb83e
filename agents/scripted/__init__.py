"""Scripted players, a file or more for each arena."""
