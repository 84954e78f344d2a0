"""The client of the official Python SDK 1.x: it ends its session over any answer that is no 2xx."""

import asyncio
import json
import os

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError

from named import client_of

GATEWAY = os.environ["GATEWAY"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


def client(headers=None, timeout=None, auth=None) -> httpx.AsyncClient:
    return client_of(httpx, headers=headers, auth=auth)


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
