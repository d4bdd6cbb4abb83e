"""Multi-arm assembly: two to four arms build a product, in PyBullet.

`product` says what is built, `stages` what the curriculum asks for, `world` makes all calls to the engine,
`arena` turns the world into observation and reward. `kernel.layout` is the table of what each number of an
observation is.
"""

from arenas.assembly.arena import Assembly
from arenas.assembly.options import PRESETS, AssemblyOptions, preset
from arenas.assembly.product import Product, read_product

__all__ = ["PRESETS", "Assembly", "AssemblyOptions", "Product", "preset", "read_product"]
