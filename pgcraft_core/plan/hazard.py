"""Why an operation can hurt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HazardClass = Literal["DataLoss", "Rewrite", "LongLock", "ExposureChange"]


@dataclass(frozen=True, slots=True)
class Hazard:
    """A reason to ask before running an operation; `message` is a sentence that carries the row evidence."""

    type: HazardClass
    message: str
