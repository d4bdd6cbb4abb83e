"""The physics: every call to PyBullet is made in this folder, and nothing in it knows what is to be built.

Lengths in m, angles in rad, time in s. `world` is what the rest of the arena knows; another engine would be
another such folder.
"""
