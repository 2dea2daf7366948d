"""Where files are: a path, or an object behind the S3 API (s3://bucket/key)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sluice.errors import DeclarationError, StoreUnavailable

SCHEME = "s3://"


class Identity(NamedTuple):
    """What tells one content of a file from another: its size, and its ETag or time of change."""

    size: int
    mark: str


class Place:
    """A file by its URL.

    Args:
        url: a path, or s3://bucket/key.
        endpoint: address of the S3 API; empty: what boto3's own configuration says.

    What it does raises DeclarationError for what is not there or not allowed, StoreUnavailable
    when it does not answer.
    """

    def __init__(self, url: str, endpoint: str = "") -> None:
        self.url, self._endpoint = url, endpoint
        self.remote = url.startswith(SCHEME)
        self._bucket, _, self._key = url.removeprefix(SCHEME).partition("/")
        scheme, found, _ = url.partition("://")
        if found and not self.remote:
            hint = "a path, or s3://BUCKET/KEY"
            raise DeclarationError(url, "", f"no files of kind {scheme!r}", hint)
        if self.remote and not (self._bucket and self._key):
            raise DeclarationError(url, "", "names no object", "s3://BUCKET/KEY")
        self._made: Any = None

    def __str__(self) -> str:
        return self.url

    @property
    def path(self) -> Path:
        """The path of a file that is here."""
        return Path(self.url)

    def identity(self) -> Identity:
        """Of the content that it has now."""
        if not self.remote:
            try:
                stat = self.path.stat()
            except OSError as error:
                raise DeclarationError(self.url, "", error.strerror or str(error)) from None
            return Identity(stat.st_size, str(stat.st_mtime_ns))
        head = self._call("head_object", Bucket=self._bucket, Key=self._key)
        return Identity(head["ContentLength"], head["ETag"])

    def fetch(self, folder: Path) -> Path:
        """The file here: itself, or a copy in the folder."""
        if not self.remote:
            return self.path
        copy, part = folder / "input", folder / "input.tmp"
        if not copy.is_file():
            self._call("download_file", self._bucket, self._key, str(part))
            part.replace(copy)
        return copy

    def put(self, file: Path) -> None:
        """Make a file, which goes, the content; readers see the old content or all of the new."""
        if not self.remote:
            file.replace(self.path)
            return
        self._call("upload_file", str(file), self._bucket, self._key)
        file.unlink()

    def _call(self, name: str, *args: Any, **named: Any) -> Any:
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return getattr(self._client(), name)(*args, **named)
        except (ClientError, NoCredentialsError) as error:
            status = (
                getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
            )
            if isinstance(status, int) and (status >= 500 or status == 429):
                raise StoreUnavailable(f"{self.url}: {error}") from error
            raise DeclarationError(self.url, "", str(error)) from None
        except (BotoCoreError, S3UploadFailedError) as error:
            raise StoreUnavailable(f"{self.url}: {error}") from error

    def _client(self) -> Any:
        if self._made is None:
            import boto3

            self._made = boto3.client("s3", endpoint_url=self._endpoint or None)
        return self._made
