"""Whether an object already is what we would apply, so that an operator with nothing to do writes nothing.

Two looks, both needed, neither keeping state: a hash of what was applied, kept in an annotation, shows what *we* want
differently now, removed fields included; and every field we set, looked up in the live object, shows what *others*
changed meanwhile. `metadata.generation` alone would not do: it counts others' changes of fields that are theirs to
change (an autoscaler's), passes over labels and owner references, and would have to be remembered outside the object,
for the apply that stores it raises it.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any

from pgcraft_operator.cluster import Manifest

APPLIED_HASH = "pgcraft.io/applied-hash"

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(n|u|m|k|Ki|[MGTPE]i?|[eE][+-]?\d+)?\Z")
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_EXPONENTS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def stamp(manifest: Manifest) -> Manifest:
    """Return `manifest` with the hash of itself as an annotation."""
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_HASH: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def is_applied(stamped: Manifest, live: Manifest) -> bool:
    """Whether `live` holds all of a stamped manifest, and nothing that an earlier one set and this one does not."""
    return _holds(live, stamped)  # the hash is one of the fields looked up


def _holds(live: Any, wanted: Any) -> bool:
    match wanted:
        case dict():
            return isinstance(live, dict) and all(name in live and _holds(live[name], wanted[name]) for name in wanted)
        case [dict(), *_]:
            # Keyed lists (containers, variables, ports): the server may complete an entry and add others.
            return isinstance(live, list) and all(any(_holds(entry, item) for entry in live) for item in wanted)
        case _:
            return live == wanted or _is_same_quantity(live, wanted)


def _is_same_quantity(live: Any, wanted: Any) -> bool:
    """Whether both are one amount, for the API server writes `1` for `1000m`."""
    if isinstance(wanted, bool) or not isinstance(wanted, str | int) or not isinstance(live, str):
        return False
    amounts = _quantity(live), _quantity(str(wanted))
    return None not in amounts and amounts[0] == amounts[1]


def _quantity(text: str) -> Decimal | None:
    parts = _QUANTITY.match(text)
    if parts is None or parts[1].count(".") > 1 or not any(digit.isdigit() for digit in parts[1]):
        return None
    number, suffix = Decimal(parts[1]), parts[2] or ""
    if suffix in _DECIMAL_EXPONENTS:
        return number.scaleb(_DECIMAL_EXPONENTS[suffix])
    if suffix in _BINARY_EXPONENTS:
        return number * 2 ** _BINARY_EXPONENTS[suffix]
    return number.scaleb(int(suffix[1:]))
