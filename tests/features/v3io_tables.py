"""The V3IO stand-in of the streams, with range scans of tables as the reference has them."""

from __future__ import annotations

import threading
import time
from functools import cache

from tests.streams.v3io_server import CONTAINER, KEY, Json, Refused, V3ioServer

_PAGE = 7


class TableServer(V3ioServer):
    """Answers GetItems with a sharding key and a range of sorting keys, in pages."""

    def _GetItems(self, path: str, body: Json) -> Json:
        table, shard = path.rstrip("/") + "/", body["ShardingKey"]
        if not any(name.startswith(table) for name in self.items):
            raise Refused(404, "ResourceNotFoundException")
        first, end = body.get("SortKeyRangeStart", ""), body.get("SortKeyRangeEnd")
        keys = sorted(name.partition(".")[2] for name in self.items
                      if name.startswith(f"{table}{shard}."))  # fmt: skip
        asked = [k for k in keys if k >= first and (end is None or k < end)]
        left = [key for key in asked if key > body.get("Marker", "")]
        page = left[: min(_PAGE, body.get("Limit", 1000))]
        names = body["AttributesToGet"].split(",")
        items = [self._attributes(f"{table}{shard}.{key}", names) for key in page]
        last = {"LastItemIncluded": "FALSE" if len(left) > len(page) else "TRUE"}
        marker = {"NextMarker": page[-1]} if len(left) > len(page) else {}
        return {**last, **marker, "NumItems": len(items), "Items": items}

    def _attributes(self, path: str, names: list[str]) -> Json:
        item = {**self.items[path], "__name": {"S": path.rpartition("/")[2]}}
        return {name: item[name] for name in names if name in item}


@cache
def shared_tables() -> TableServer:
    """A V3IO that tests share, each with a path of its own. It ends with the process."""
    made: list[TableServer] = []
    # The threads of a daemon are daemons too: nobody has to close the server.
    thread = threading.Thread(target=lambda: made.append(TableServer(time)), daemon=True)
    thread.start()
    thread.join()
    return made[0]


def variables(server: V3ioServer) -> dict[str, str]:
    """What the environment says of a server."""
    return {"V3IO_API": server.endpoint, "V3IO_ACCESS_KEY": KEY}


def url(path: str) -> str:
    """A table of the stand-in."""
    return f"v3io://{CONTAINER}/{path}"
