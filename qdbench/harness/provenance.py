"""Where and with what a trial ran."""

from __future__ import annotations

import datetime
import functools
import platform
from importlib.metadata import PackageNotFoundError, version

import jax

PACKAGES = ("qdbench", "jax", "jaxlib", "equinox", "numpy")


def provenance(precision: str, driver: str) -> dict[str, str]:
    """Package versions, device, precision, driver and the time of the record."""
    return {
        **_environment(),
        "precision": precision,
        "driver": driver,
        "recorded": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


@functools.cache
def _environment() -> dict[str, str]:
    device = jax.devices()[0]
    return {
        **{name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": f"{device.platform}: {device.device_kind}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
