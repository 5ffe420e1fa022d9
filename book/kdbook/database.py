"""The database through which workers share their work: a storage of Optuna, opened with care."""

import contextlib
import random
import time
import warnings

from kdlib._packages import needed

optuna = needed("optuna", "optuna", "working through a plan, or a search by Optuna,")
sqlalchemy = needed("sqlalchemy", "sqlalchemy", "Optuna")

FAULTS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
"""What Optuna raises if a database cannot do its work."""

TRIES = 5
"""How often a database is opened: workers that start together make its tables at the same time,
and only one can."""

DRIVERS = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
"""The packages of drivers that have another name."""


def storage(url, beat, stale, retry=None):
    """Open a database; make its tables if there are none.

    - ``url``: as SQLAlchemy reads it: ``sqlite:///FILE``, ``postgresql://...``.
    - ``beat``, ``stale``: seconds between two signs of life of a worker, and until a silent one
      counts as dead.
    - ``retry``: called with the study and the trial of a dead worker.
    - ``ValueError`` if the URL is none.
    - ``ImportError`` if the package that talks to such a database is missing.
    - ``ConnectionError`` if the database does not answer, or the file is none of a database.
    """
    # Seconds that a writer of SQLite waits for another one.
    sqlite = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    for left in reversed(range(TRIES)):
        try:
            with quiet():
                made = optuna.storages.RDBStorage(
                    url,
                    # A server may have been started anew since the last question.
                    engine_kwargs={"pool_pre_ping": True} | sqlite,
                    heartbeat_interval=beat,
                    grace_period=stale,
                    heartbeat_stale_trial_callback=retry,
                )
            break
        except sqlalchemy.exc.ArgumentError as error:
            raise ValueError(
                f"--storage {shown(url)} names no database: {error}. Expected something like "
                "postgresql://user@host/name or sqlite:///file.db."
            ) from error
        except ImportError as error:
            name = getattr(error.__cause__, "name", None) or "of its kind"
            raise ImportError(
                f"{shown(url)} needs the driver {name}, which is not installed. Install it: "
                f"python -m pip install {DRIVERS.get(name, name)}"
            ) from error
        except FAULTS as error:
            if not left:
                raise _fault(url, error) from error
            time.sleep(random.uniform(0.1, 0.5))
    if made.engine.dialect.name == "sqlite":
        # Optuna reads the state of a trial FOR UPDATE, and then changes it. SQLite has no such
        # lock for one row: two workers could read the same state, and both take the trial. So each
        # transaction takes the lock of the whole file before it reads.
        sqlalchemy.event.listen(
            made.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE")
        )
    return made


def shown(url):
    """Return a URL without its password.

    >>> shown("postgresql://me:secret@host/study")
    'postgresql://me:***@host/study'
    """
    try:
        return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return repr(url)


@contextlib.contextmanager
def reached(url):
    """Turn what Optuna raises if a database fails into a ``ConnectionError`` that names it."""
    try:
        with quiet():
            yield
    except FAULTS as error:
        raise _fault(url, error) from error


@contextlib.contextmanager
def quiet():
    """Keep Optuna's log of trials to itself, and that it calls signs of life experimental."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _fault(url, error):
    error = error.__cause__ if isinstance(error.__cause__, FAULTS) else error
    cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return ConnectionError(
        f"the database {shown(url)} does not do its work: {cause}. What is done stays; start again "
        "when it does."
    )
