"""Objects in a bucket of S3, with the conditional writes that a model store needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sluice import aws
from sluice.address import Address

_LOOK_S = 0.5
_ABSENT = frozenset({"NoSuchKey", "404"})
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})


class Bucket:
    """Objects below an address; names are relative to it. Raises StoreUnavailable."""

    def __init__(self, address: Address) -> None:
        options = address.options
        self._address, self._name = address, address.host
        self._below = "/".join((*address.names, ""))
        # A server looks at the aliases while it answers: it must not wait long.
        waits = [options["timeout"], min(options["timeout"], _LOOK_S)]
        self._clients = aws.Clients("s3", address, options["region"], waits)

    @property
    def _client(self) -> Any:
        return self._clients[0]

    def names(self, folder: str) -> Iterator[str]:
        """The names of the objects in a folder."""
        prefix = self._below + folder
        page: dict[str, str] = {}
        while True:
            with aws.errors(self._address):
                found = self._client.list_objects_v2(
                    Bucket=self._name, Prefix=prefix, Delimiter="/", **page
                )
            yield from (item["Key"].removeprefix(prefix) for item in found.get("Contents", ()))
            if not found.get("IsTruncated"):
                return
            page = {"ContinuationToken": found["NextContinuationToken"]}

    def look(self, name: str) -> tuple[bytes | None, str | None, Mapping[str, str]]:
        """Content, tag and metadata of an object; None, None and nothing where there is none."""
        with aws.errors(self._address):
            try:
                found = self._client.get_object(Bucket=self._name, Key=self._below + name)
            except ClientError as error:
                if aws.code(error) in _ABSENT:
                    return None, None, {}
                raise
            return found["Body"].read(), found["ETag"], found.get("Metadata", {})

    def get(self, name: str) -> bytes | None:
        """The content of an object, None where there is none."""
        return self.look(name)[0]

    def tag(self, name: str) -> str | None:
        """The tag of an object, None where there is none."""
        with aws.errors(self._address):
            try:
                found = self._clients[1].head_object(Bucket=self._name, Key=self._below + name)
            except ClientError as error:
                if aws.code(error) in _ABSENT:
                    return None
                raise
            return str(found["ETag"])

    def put(self, name: str, data: bytes) -> None:
        """Put an object, over another one if there is one."""
        with aws.errors(self._address):
            self._client.put_object(Bucket=self._name, Key=self._below + name, Body=data)

    def swap(
        self, name: str, tag: str | None, data: bytes, metadata: Mapping[str, str] | None = None
    ) -> bool:
        """Put an object in place of the one with a tag, or of none; False if it is not so.

        False also when it was done and the answer was lost.
        """
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        with aws.errors(self._address):
            try:
                self._client.put_object(
                    Bucket=self._name, Key=self._below + name, Body=data,
                    Metadata=metadata or {}, **condition,
                )  # fmt: skip
            except ClientError as error:
                if aws.code(error) in _TAKEN | _ABSENT:
                    return False
                raise
        return True
