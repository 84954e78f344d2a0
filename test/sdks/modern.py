"""The client of the official Python SDK 2.x."""

import asyncio
import json
import os

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from named import client_of

GATEWAY = os.environ["GATEWAY"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


async def main() -> None:
    async with client_of(httpx2) as http:
        async with Client(streamable_http_client(GATEWAY, http_client=http)) as gateway:
            print("lists", len((await gateway.list_tools()).tools))
            for tool, arguments in CALLS:
                try:
                    answer = await gateway.call_tool(tool, arguments)
                    print("answered", answer.content[0].text.replace("\n", " "))
                except MCPError as error:
                    print("refused", error)


if __name__ == "__main__":
    asyncio.run(main())
