"""Clients of AWS's services by boto3, and what their errors mean here.

Region and credentials are looked up as boto3 does: in the environment, its files, the role of the
machine. The options of a URL that concern all services: `endpoint`, another address than AWS's
own, `region`, and `timeout`, seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from sluice.address import Address
from sluice.errors import SluiceError, StoreUnavailable

_MISSING = (NoCredentialsError, NoRegionError, PartialCredentialsError)
_PASSING = frozenset(
    {
        "InternalError", "InternalServerError", "LimitExceededException", "OperationAborted",
        "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestTimeout",
        "ResourceInUseException", "ServiceUnavailable", "SlowDown", "ThrottlingException",
        "TransactionInProgressException",
    }
)  # fmt: skip
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})


class Clients:
    """Clients of a service, one for each time-out in seconds; in a forked child its own.

    Each request is tried twice, for so long each. They are made when first needed.
    """

    def __init__(
        self,
        service: str,
        address: Address,
        region: str,
        timeouts: Sequence[float],
        connections: int = 10,
    ) -> None:
        self._service, self._address, self._region = service, address, region
        self._configs = [_config(timeout, connections) for timeout in timeouts]
        self._pid, self._clients = 0, ()

    _clients: tuple[Any, ...]

    def __getitem__(self, place: int) -> Any:
        """The client with this time-out. Raises DeclarationError when there is no region."""
        if self._pid != os.getpid():
            session = boto3.session.Session()  # the default one is not for several threads
            endpoint, region = self._address.options["endpoint"] or None, self._region or None
            with errors(self._address):
                self._clients = tuple(
                    session.client(
                        self._service, region_name=region, endpoint_url=endpoint, config=config
                    )
                    for config in self._configs
                )
            self._pid = os.getpid()
        return self._clients[place]

    def close(self) -> None:
        """Close the connections; what is asked for later makes new ones."""
        if self._pid == os.getpid():
            for client in self._clients:
                client.close()
        self._pid, self._clients = 0, ()


def _config(timeout: float, connections: int) -> Config:
    return Config(
        connect_timeout=timeout,
        read_timeout=timeout,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=connections,
    )


@contextmanager
def errors(address: Address) -> Iterator[None]:
    """Errors of the SDK as ours; none of ours quotes a key."""
    try:
        yield
    except _MISSING as error:
        hint = "set it as boto3 looks it up: in the environment, its files, or a role"
        raise address.error(f"{type(error).__name__}: {error}", hint) from error
    except ClientError as error:
        raise _refused(address, error) from error
    except (ConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise StoreUnavailable(f"{address}: {type(error).__name__}") from error
    except BotoCoreError as error:
        raise SluiceError(f"{address}: {type(error).__name__}: {error}") from error


def code(error: ClientError) -> str:
    """The error's name, as the service has it, or its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(address: Address, error: ClientError) -> SluiceError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"{address}: {error}"
    if code(error) in _PASSING or status >= 500:
        return StoreUnavailable(text)
    if code(error) == "NoSuchBucket":
        return address.error("there is no such bucket", "make it, or name another one")
    if code(error) in _DENIED:
        return StoreUnavailable(f"{text} (the credentials do not allow it)")
    return SluiceError(text)
