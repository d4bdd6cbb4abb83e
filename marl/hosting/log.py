"""The log of the hosting package: hosts' output at DEBUG, replacements at WARNING."""

from __future__ import annotations

import logging

LOG = logging.getLogger("marl.hosting")
