"""A claim that stays ours for as long as its records take."""

from __future__ import annotations

import logging
import threading

from sluice.batch.claims import Claim, Claims
from sluice.errors import StoreUnavailable

log = logging.getLogger("sluice")


class Renewal:
    """Renews a claim three times per lease, from a thread, until the block ends."""

    def __init__(self, claims: Claims, claim: Claim) -> None:
        self._claims, self._claim = claims, claim
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sluice-claim", daemon=True)

    def __enter__(self) -> Renewal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._claims.lease_s / 3):
            try:
                if not self._claims.renew(self._claim):
                    return  # another job has it
            except StoreUnavailable as error:
                log.warning("a claim was not renewed: %s", error)
