"""The client of fastmcp, which shows its users the text of an error and nothing else."""

import asyncio
import json
import os

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from named import client_of

GATEWAY = os.environ["GATEWAY"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


def client(headers=None, timeout=None, auth=None, **_) -> httpx2.AsyncClient:
    return client_of(httpx2, headers=headers, auth=auth)


async def main() -> None:
    transport = StreamableHttpTransport(GATEWAY, httpx_client_factory=client)
    async with Client(transport) as gateway:
        print("lists", len(await gateway.list_tools()))
        for tool, arguments in CALLS:
            try:
                answer = await gateway.call_tool(tool, arguments)
                print("answered", answer.content[0].text.replace("\n", " "))
            except Exception as error:
                print("refused", error)


if __name__ == "__main__":
    asyncio.run(main())
