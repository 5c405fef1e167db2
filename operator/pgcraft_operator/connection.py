"""How the operator reaches one database: the parts of a connection, read from a Secret."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

from pgcraft_core.spec.database import SslMode


@dataclass(frozen=True, slots=True)
class ConnectionParameters:
    """Everything a Postgres client needs; `sslrootcert` is a private file that lives as long as the operator."""

    host: str
    port: int
    dbname: str
    username: str
    password: str = field(repr=False)
    sslmode: SslMode = "verify-full"
    sslrootcert: Path | None = None

    def url(self) -> str:
        """Return the `postgresql://` URL with every part quoted; it holds the password, so never log it."""
        user, password, host, dbname = (
            quote(part, safe="") for part in (self.username, self.password, self.host, self.dbname)
        )
        query = {"sslmode": self.sslmode}
        if self.sslmode in ("verify-ca", "verify-full"):
            # libpq alone would look for ~/.postgresql/root.crt, and know no certificate authority without it.
            query["sslrootcert"] = str(self.sslrootcert) if self.sslrootcert else "system"
        # A host in brackets is an IPv6 address; quoting its colons is what libpq expects as well.
        return f"postgresql://{user}:{password}@{host}:{self.port}/{dbname}?{urlencode(query)}"

    @property
    def fingerprint(self) -> str:
        """Return a digest that changes with any part, for comparing without keeping the password."""
        return hashlib.sha256(self.url().encode()).hexdigest()
