"""An agent: the mounted certificate, an MCP client of the official SDK, the gateway."""

import asyncio
import os
import ssl
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

IDENTITY = os.environ.get("IDENTITY", "/var/run/countersign")
GATEWAY = os.environ.get("GATEWAY", "https://countersign-gateway.countersign-system.svc/mcp")
# The DNS name in the gateway's certificate, where it is reached by another one.
SERVER_NAME = os.environ.get("SERVER_NAME") or httpx2.URL(GATEWAY).host


class MountedIdentity(httpx2.AsyncBaseTransport):
    """Shows the mounted certificate, and opens new connections when kubelet has written a new one."""

    def __init__(self, folder: str) -> None:
        self._files = [f"{folder}/credential-bundle.pem", f"{folder}/trust-bundle.pem"]
        self._seen: list[int] = []
        # The last one, and the one before it: what it had under way has half a certificate's life to end.
        self._opened: list[httpx2.AsyncHTTPTransport] = []

    def _open(self) -> httpx2.AsyncHTTPTransport:
        credential, anchors = self._files
        context = ssl.create_default_context(cafile=anchors)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(credential)
        return httpx2.AsyncHTTPTransport(verify=context, retries=1)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        written = [os.stat(file).st_mtime_ns for file in self._files]
        if written != self._seen:
            self._opened.append(self._open())
            self._seen = written
            if len(self._opened) > 2:
                await self._opened.pop(0).aclose()
        request.headers["host"] = SERVER_NAME
        request.extensions["sni_hostname"] = SERVER_NAME
        return await self._opened[-1].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._opened:
            await transport.aclose()


async def main() -> None:
    async with httpx2.AsyncClient(transport=MountedIdentity(IDENTITY), timeout=30) as http:
        async with Client(streamable_http_client(GATEWAY, http_client=http)) as gateway:
            tools = (await gateway.list_tools()).tools
            for tool in tools:
                print("sees", tool.name)
            # Each line of its input is a repository, in which it opens an issue.
            while repository := (await asyncio.to_thread(sys.stdin.readline)).strip():
                asked = {"repository": repository, "title": "Hello from Python"}
                try:
                    answer = await gateway.call_tool("github_issues_create", asked)
                    print("answered", answer.content[0].text, flush=True)
                except MCPError as error:
                    print("refused", error, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
