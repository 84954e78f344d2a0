"""The client of fastmcp 4."""

from contextlib import asynccontextmanager

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from named import client_of
from run_plan import run_plan


def http(headers=None, timeout=None, auth=None, **_) -> httpx2.AsyncClient:
    return client_of(httpx2, headers=headers, auth=auth)


class Connected:
    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version

    async def list(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool, arguments, progress=None):
        answer = await self.client.call_tool(tool, arguments, progress_handler=progress)
        return answer.content[0].text

    async def read(self, uri):
        return (await self.client.read_resource(uri))[0].text

    async def prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).messages[0].content.text


@asynccontextmanager
async def connect(url):
    async with Client(StreamableHttpTransport(url, httpx_client_factory=http)) as client:
        yield Connected(client)


run_plan(connect)
