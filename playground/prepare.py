"""`python -m playground.prepare`: build and install what the demo and the tests run on, saying so as it happens."""

import sys

from playground.binaries import BinariesUnavailableError
from playground.postgrest import PostgRESTUnavailableError, ensure_postgrest
from playground.provision import ensure_cluster_programs


def main() -> int:
    """Prepare everything; 1 and a sentence on stderr when something cannot be had."""
    try:
        ensure_postgrest()
        ensure_cluster_programs()
    except (BinariesUnavailableError, PostgRESTUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
