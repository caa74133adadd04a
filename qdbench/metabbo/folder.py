"""The names of what a finished meta-evolution leaves in its folder."""

from __future__ import annotations

PARAMETERS = "parameters.safetensors"
RECORD = "record.json"
CURVE = "curve.csv"
CURVE_FIGURE = "curve.svg"
