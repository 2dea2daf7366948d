"""The database of the batch pattern: a SQLite file, or PostgreSQL.

Reading and writing go through short transactions: `with database.write() as connection`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import orjson
from sqlalchemy import Connection, Table, create_engine, event, exc, insert, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from sluice.batch.tables import FORMAT, Tables, tables
from sluice.errors import DeclarationError, SluiceError, StoreUnavailable

if TYPE_CHECKING:
    from sluice.project import Project

_FORBIDDEN = "42501"  # PostgreSQL's code for a missing privilege
_SUPPORTED = "supported: sqlite:///FILE and postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"


class Database:
    """A graph's pending records and predictions. The tables are made when they are first used.

    Args:
        url: SQLAlchemy's, of SQLite or PostgreSQL.
        project, graph: whose tables; their names begin with both.
        wait_s: how long to wait for a lock of SQLite's, or for a connection to PostgreSQL.

    Raises DeclarationError for a database that is not supported.
    """

    def __init__(self, url: str, project: str, graph: str, *, wait_s: float = 30) -> None:
        self.url = _supported(url)
        self.owner = {"project": project, "graph": graph}
        self.tables: Tables = tables(project, graph)
        self._sqlite = self.url.get_backend_name() == "sqlite"
        self._ready = False
        self.engine = create_engine(
            self.url,
            json_serializer=_dumps,
            json_deserializer=_loads,
            pool_pre_ping=not self._sqlite,
            connect_args={"timeout": wait_s} if self._sqlite else {"connect_timeout": int(wait_s)},
        )
        if self._sqlite:
            event.listen(self.engine, "connect", _own_transactions)
            event.listen(self.engine, "begin", _begin)

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; it is undone when the block raises.

        Raises StoreUnavailable when the database does not answer (whether the transaction was
        committed is not known then), DeclarationError for tables of a newer format.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises as `write` does."""
        with self._transaction("BEGIN") as connection:
            yield connection

    def insert_new(self, table: Table) -> Any:
        """An INSERT that leaves rows alone whose id is there already."""
        dialect = sqlite if self._sqlite else postgresql
        return dialect.insert(table).on_conflict_do_nothing(index_elements=["id"])

    def vacuum(self) -> int:
        """Let nothing of deleted rows stay in the files; the bytes of a SQLite file afterwards.

        Raises StoreUnavailable while another one writes.
        """
        with self._translated():
            if not self._sqlite:
                names = ", ".join(table.name for table in self.tables.metadata.sorted_tables)
                engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
                with engine.connect() as connection:
                    connection.exec_driver_sql(f"VACUUM {names}")
                return 0
            with self.engine.connect() as connection:
                connection.exec_driver_sql("ROLLBACK")  # what is begun here can't vacuum
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", "BEGIN"):
                    connection.exec_driver_sql(statement)
        return Path(str(self.url.database)).stat().st_size

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self._translated():
            if not self._ready:
                self._prepare()
            engine = self.engine.execution_options(begin=begin)
            with engine.begin() as connection:
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What the driver raises, as errors of ours where it is not a defect."""
        try:
            yield
        except exc.DBAPIError as error:
            kind = _kind(error)
            if kind is None:
                raise
            why = str(error.orig).strip().partition("\n")[0]
            raise kind(f"database {self}: {why}") from error
        except exc.TimeoutError as error:
            raise StoreUnavailable(f"database {self}: {error}") from error

    def _prepare(self) -> None:
        """Make what is not there, and check the format; one process at a time."""
        if self._sqlite:
            Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        with self.engine.execution_options(begin="BEGIN IMMEDIATE").begin() as connection:
            if not inspect(connection).has_table(self.tables.about.name):
                self._create(connection)
            self._check(connection)
        self._ready = True

    def _create(self, connection: Connection) -> None:
        if not self._sqlite:
            lock = text("SELECT pg_advisory_xact_lock(:key)")
            connection.execute(lock, {"key": crc32(self.tables.prefix.encode())})
        self.tables.metadata.create_all(connection)
        about = self.tables.about
        if connection.execute(select(about.c.name).limit(1)).first() is None:
            marks = {**self.owner, "format": str(FORMAT)}
            connection.execute(insert(about), [{"name": n, "value": v} for n, v in marks.items()])

    def _check(self, connection: Connection) -> None:
        about = self.tables.about
        found = {row.name: row.value for row in connection.execute(select(about))}
        if int(found["format"]) > FORMAT:
            hint = f"this Sluice reads up to {FORMAT}: use a newer one, or another database"
            raise DeclarationError(f"database {self}", "format", f"is {found['format']}", hint)
        if any(found[name] != value for name, value in self.owner.items()):
            whose = f"{found['project']} {found['graph']}"
            problem = f"the tables {self.tables.prefix}__… are those of {whose}"
            raise DeclarationError(f"database {self}", "", problem, "use another database")


def database_url(setting: str, folder: Path, default: Path) -> str:
    """The URL that a setting or an option means: a path alone is a SQLite file.

    Args:
        setting: a URL, a path or nothing.
        folder: where relative paths begin.
        default: the file where nothing is said.
    """
    if "://" not in setting:
        return f"sqlite:///{folder / (setting or default)}"
    url = _parsed(setting)
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        url = url.set(database=str(folder / str(url.database)))
    return url.render_as_string(hide_password=False)


def open_database(project: Project, graph: str, url: str = "") -> Database:
    """The database of a graph: at a URL (a relative file is in the current folder), else where the
    setting `database` says. Raises DeclarationError."""
    default = project.root / project.settings.state / "batch.db"
    setting, folder = (url, Path.cwd()) if url else (project.settings.database, project.root)
    return Database(database_url(setting, folder, default), project.name, graph)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except exc.ArgumentError:  # its text would show a password
        scheme = url.partition("://")[0]
        raise DeclarationError("database", scheme, "is no database's URL", _SUPPORTED) from None


def _supported(url: str) -> URL:
    parsed = _parsed(url)
    try:
        driver = f"{parsed.get_backend_name()}+{parsed.get_driver_name()}"
    except exc.NoSuchModuleError:
        driver = parsed.drivername
    if driver not in ("sqlite+pysqlite", "postgresql+psycopg"):
        raise DeclarationError("database", driver, "is not supported", _SUPPORTED)
    if driver.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        problem = "is in memory, where no other process sees it"
        raise DeclarationError("database", str(parsed), problem, _SUPPORTED)
    return parsed


def _kind(error: exc.DBAPIError) -> type[SluiceError] | None:
    """StoreUnavailable for what may pass, SluiceError for what a person must mend, else None."""
    state = getattr(error.orig, "sqlstate", None)
    told = getattr(error.orig, "sqlite_errorname", "")  # SQLITE_ERROR is a wrong statement
    if error.connection_invalidated:
        return StoreUnavailable
    if type(error) in (exc.OperationalError, exc.InterfaceError) and told != "SQLITE_ERROR":
        return StoreUnavailable
    if type(error) is exc.DatabaseError or state == _FORBIDDEN:  # no database, or damaged
        return SluiceError
    return None


def _own_transactions(connection: Any, _: Any) -> None:
    """Leave transactions to us: Python's sqlite3 would begin them late, and not for tables."""
    connection.isolation_level = None
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _loads(value: Any) -> Any:
    """The value of JSON text. What is none stays as it is: a record of it is refused as such."""
    if not isinstance(value, str | bytes):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value if isinstance(value, str) else value.decode("utf-8", "replace")
