"""A Nuclio dashboard over its HTTP API: functions, API gateways, logs, and calls of a function.

Functions go there by nuclio-jupyter; it knows no gateways and no calls, so these are asked for here
(docs/reference/api of Nuclio).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from sluice.deploy.probe import Ask, Said, over_http, text_of
from sluice.errors import SluiceError, StoreUnavailable

DEFAULT = "http://localhost:8070"
_JSON = {"Content-Type": "application/json"}
_CALL_S = 35.0  # an event of a function may take 30


class Dashboard:
    """One dashboard, seen from one Nuclio project.

    Args:
        url: where it is, without /api.
        project: Nuclio's project; it is made if it is not there.

    Every method raises StoreUnavailable when the dashboard does not answer, SluiceError for what it
    refuses.
    """

    def __init__(self, url: str, project: str) -> None:
        self.url, self._project = url.rstrip("/"), project
        self._ask = over_http(f"{self.url}/api", _CALL_S)

    def function(self, name: str) -> dict[str, Any] | None:
        """A function with its status, or None."""
        return self._get(f"/functions/{quote(name)}")

    def put(self, function: Mapping[str, Any]) -> None:
        """Make or change a function; it is built and deployed from now on."""
        from nuclio.deploy import deploy_config
        from nuclio.utils import DeployError

        name = function["metadata"]["name"]
        config = json.loads(json.dumps(function))  # it writes into it
        try:
            deploy_config(
                config, self.url, name=name, project=self._project, create_new=True, watch=False
            )
        except DeployError as error:
            reply = getattr(error, "response", None)
            why = reply.text if reply is not None and reply.text else str(error)
            raise SluiceError(f"the dashboard refuses function {name}: {why}") from error
        except OSError as error:
            raise StoreUnavailable(f"{self.url}: {error}") from None

    def delete(self, name: str) -> None:
        """Delete a function, whatever its state; one that is not there is none."""
        ignore = {"x-nuclio-delete-function-ignore-state-validation": "true"}
        self._delete("/functions", name, ignore)

    def gateway(self, name: str) -> dict[str, Any] | None:
        """An API gateway with its status, or None."""
        return self._get(f"/api_gateways/{quote(name)}")

    def put_gateway(self, gateway: Mapping[str, Any]) -> None:
        """Make or change an API gateway."""
        name = gateway["metadata"]["name"]
        there = self.gateway(name) is not None
        method, path = (
            ("PUT", f"/api_gateways/{quote(name)}") if there else ("POST", "/api_gateways")
        )
        named = {**_JSON, "x-nuclio-project-name": self._project}
        said = self._ask(method, path, json.dumps(gateway).encode(), named)
        self._refuse(said, f"API gateway {name}")

    def delete_gateway(self, name: str) -> None:
        """Delete an API gateway; one that is not there is none."""
        self._delete("/api_gateways", name)

    def calls(self, name: str, key: str = "") -> Ask:
        """Asks a function, through the dashboard: it need not be reached from outside."""

        def ask(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Said:
            status = (self.function(name) or {}).get("status") or {}
            urls = [
                *status.get("internalInvocationUrls", ()),
                *status.get("externalInvocationUrls", ()),
            ]
            if not urls:
                raise StoreUnavailable(f"function {name} has no address yet")
            own = {"x-nuclio-function-name": name, "x-nuclio-invoke-url": urls[0]}
            own |= {"x-nuclio-path": path} | ({"X-API-Key": key} if key else {})
            return self._ask(method, "/function_invocations", body, {**headers, **own})

        return ask

    def logs(self, name: str, follow: bool) -> Iterator[str]:
        """The lines of a function's replicas, one after the other; with `follow` of the first."""
        names = (self._get(f"/functions/{quote(name)}/replicas") or {}).get("names") or []
        for replica in names[:1] if follow else names:
            path = f"/api/functions/{quote(name)}/logs/{quote(replica)}"
            query = f"?follow={str(follow).lower()}"
            with urlopen(self.url + path + query, timeout=None if follow else _CALL_S) as lines:
                for line in lines:
                    yield line.decode(errors="replace").rstrip("\n")

    def host(self) -> str:
        """The machine that it runs on."""
        return urlsplit(self.url).hostname or ""

    def _get(self, path: str) -> dict[str, Any] | None:
        said = self._ask("GET", path, None, {})
        if said.status == 404:
            return None
        self._refuse(said, path)
        found: dict[str, Any] = json.loads(said.body)
        return found

    def _delete(self, path: str, name: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"metadata": {"name": name}}).encode()
        said = self._ask("DELETE", path, body, {**_JSON, **(headers or {})})
        if said.status != 404:
            self._refuse(said, f"to delete {name}")

    def _refuse(self, said: Said, what: str) -> None:
        if said.status >= 400:
            raise SluiceError(f"the dashboard refuses {what}: {said.status} {text_of(said)}")
