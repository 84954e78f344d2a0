"""The client of the official Python SDK 1.x: it ends its session over any answer that is no 2xx."""

import asyncio
import json
import os
import ssl

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError

GATEWAY = os.environ["GATEWAY"]
SERVER_NAME = os.environ["SERVER_NAME"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


class Named(httpx.AsyncHTTPTransport):
    """Asks for the name in the gateway's certificate, wherever the gateway is."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["host"] = SERVER_NAME
        request.extensions["sni_hostname"] = SERVER_NAME
        return await super().handle_async_request(request)


def client(headers=None, timeout=None, auth=None) -> httpx.AsyncClient:
    folder = os.environ["IDENTITY"]
    context = ssl.create_default_context(cafile=f"{folder}/trust-bundle.pem")
    context.load_cert_chain(f"{folder}/credential-bundle.pem")
    transport = Named(verify=context)
    return httpx.AsyncClient(transport=transport, headers=headers, timeout=30, auth=auth)


async def main() -> None:
    async with streamablehttp_client(GATEWAY, httpx_client_factory=client) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            print("lists", len((await session.list_tools()).tools))
            for tool, arguments in CALLS:
                try:
                    answer = await session.call_tool(tool, arguments)
                    print("answered", answer.content[0].text.replace("\n", " "))
                except McpError as error:
                    print("refused", error)


if __name__ == "__main__":
    asyncio.run(main())
