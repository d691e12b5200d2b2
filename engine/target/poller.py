"""Asks the target how it stands, about once a second, from its own thread (edge of the data path, inward).

Invariant: whatever the target does (dead, slow, dripping, endless, redirecting, lying), a poll ends within
its time budget with one TargetStatus, and neither engine nor screen ever waits for it.

The thread runs its own asyncio loop, because only cancellation bounds a whole exchange: a socket time-out
starts afresh with every byte, so a server that drips one byte per 100 ms would never run into it.
httpx is imported by that thread, not by this module: it costs a quarter of a second, and the screen is first.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.errors import StormdeskError
from engine.target.adapter import BadAnswer, TargetAdapter
from engine.target.contract import TargetSample, TargetStatus, printable

if TYPE_CHECKING:
    import httpx

__all__ = ["TargetPoller"]

JOIN_TIMEOUT_S = 2.0
"""How long stop() waits for the thread; longer than importing httpx on a busy machine takes."""
DETAIL_LIMIT = 200
"""Characters of a status detail."""


class TargetPoller:
    """Polls one target and hands every outcome to `on_status`, on the poller's own thread.

    The adapter knows what to ask. Its `locate` is called before every poll: None means that there is no
    address yet (status "starting"), a StormdeskError that there will be none (status "unreachable").
    """

    def __init__(
        self,
        adapter: TargetAdapter,
        on_status: Callable[[TargetStatus], None],
        *,
        period_s: float = 1.0,
        max_body_bytes: int = 65_536,
    ) -> None:
        self._adapter = adapter
        self._on_status = on_status
        self._period_s = period_s
        self._max_body_bytes = max_body_bytes
        self._counts = dict.fromkeys(
            ("starting", "ok", "slow", "unreachable", "invalid", "listener_errors"), 0
        )
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="target-poller", daemon=True)

    def start(self) -> None:
        """Begin polling; returns at once."""
        self._thread.start()

    def poll_now(self) -> None:
        """Ask for one poll more, as soon as the one under way has ended (run and storm start and stop)."""
        self._call(self._request_poll)

    def stop(self) -> None:
        """End the thread, also in the middle of a poll. Nothing is reported afterwards."""
        self._stopping.set()
        self._call(self._cancel_work)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(JOIN_TIMEOUT_S)

    def statistics(self) -> dict[str, int]:
        """Polls by outcome, and how often the listener itself failed."""
        return {
            **self._counts,
            "body_limit_bytes": self._max_body_bytes,
            "timeout_ms": self._adapter.timeout_ms,
        }

    # -- from other threads ----------------------------------------------------------------------------

    def _call(self, action: Callable[[], object]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop has closed: nothing is left to call
            return

    def _request_poll(self) -> None:
        if self._wake is not None:
            self._wake.set()

    def _cancel_work(self) -> None:
        if self._work is not None:
            self._work.cancel()

    # -- on the poller's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._poll_until_stopped())
            except asyncio.CancelledError:
                return

    async def _poll_until_stopped(self) -> None:
        self._work = asyncio.current_task()
        self._wake = asyncio.Event()
        self._report(TargetStatus("starting", "not asked yet"))
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            due = loop.time() + self._period_s
            self._wake.clear()
            self._report(await self._poll())
            try:
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _report(self, status: TargetStatus) -> None:
        if self._stopping.is_set():
            return
        self._counts[status.status] += 1
        try:
            self._on_status(status)
        except Exception:  # a listener's defect must not end the polling; it shows in statistics()
            self._counts["listener_errors"] += 1

    async def _poll(self) -> TargetStatus:
        try:
            url = self._adapter.locate()
            if url is None:
                return TargetStatus("starting", "the target has not said where it listens yet")
            return await self._ask(url)
        except StormdeskError as error:
            return TargetStatus("unreachable", printable(str(error), DETAIL_LIMIT))
        except Exception as error:  # whatever a foreign server brings about, the desk goes on
            reason = f"the exchange broke down: {type(error).__name__}: {error}"
            return TargetStatus("invalid", printable(reason, DETAIL_LIMIT))

    async def _ask(self, url: str) -> TargetStatus:
        """One poll within the budget. New connections each time: a kept one may be half dead."""
        import httpx

        started_ns = monotonic_ns()
        web = _HttpWeb(url, self._max_body_bytes)
        timeout_ms = self._adapter.timeout_ms
        try:
            async with asyncio.timeout(timeout_ms / 1000), web:
                result = await self._adapter.read(web, url)
        except TimeoutError:
            if web.connected:
                return self._status("slow", f"no whole answer within {timeout_ms} ms", started_ns)
            return self._status("unreachable", f"no connection within {timeout_ms} ms", started_ns)
        except BadAnswer as bad:
            return self._status("invalid", str(bad), started_ns)
        except httpx.RemoteProtocolError as error:
            return self._status("invalid", f"the answer is not HTTP: {error}", started_ns)
        except (httpx.TransportError, OSError) as error:
            return self._status("unreachable", str(error) or type(error).__name__, started_ns)
        if isinstance(result, str):
            return self._status("invalid", result, started_ns)
        return self._status("ok", "", started_ns, result)

    def _status(
        self, status: str, detail: str, started_ns: int, sample: TargetSample | None = None
    ) -> TargetStatus:
        detail = printable(detail, DETAIL_LIMIT)
        return TargetStatus(status, detail, sample, (monotonic_ns() - started_ns) / NS_PER_MS)


class _HttpWeb:
    """The requests of one poll (adapter.Web) over httpx."""

    def __init__(self, url: str, max_body_bytes: int) -> None:
        import httpx

        self.connected = False
        """Whether a connection came about."""
        self._max_body_bytes = max_body_bytes
        # Proxies of the environment are ignored: the target is asked directly or not at all. The TLS
        # context is only built where it is used: that takes longer than a poll.
        self._client = httpx.AsyncClient(trust_env=False, verify=url.startswith("https:"), timeout=None)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The body of a plain 200."""
        return await self._request("GET", url, headers)

    async def post(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The same with POST."""
        return await self._request("POST", url, headers)

    async def _request(self, method: str, url: str, headers: Mapping[str, str] | None) -> bytes:
        request = self._client.build_request(
            method,
            url,
            headers={"Accept-Encoding": "identity", "Connection": "close", **(headers or {})},
            extensions={"trace": self._note_progress},
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            return await self._read(response)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        """The body of this response, max_body_bytes at the most."""
        if response.is_redirect or 300 <= response.status_code < 400:
            where = response.headers.get("location", "nowhere")[:80]
            raise BadAnswer(f"redirected ({response.status_code}) to {where!r}: redirects are not followed")
        if response.status_code != 200:
            raise BadAnswer(f"answered HTTP {response.status_code}, wanted 200", response.status_code)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":  # a few compressed bytes can unfold into gigabytes
            raise BadAnswer(f"answered in content-encoding {encoding[:40]!r}, wanted plain")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise BadAnswer(f"the body is longer than {self._max_body_bytes} bytes")
        return bytes(body)

    async def _note_progress(self, event: str, _info: object) -> None:
        self.connected = self.connected or event == "connection.connect_tcp.complete"
