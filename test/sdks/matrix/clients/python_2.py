"""The official Python SDK 2.x."""

from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from named import client_of
from run_plan import run_plan


class Connected:
    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments, progress=None):
        answer = await self.client.call_tool(tool, arguments, progress_callback=progress)
        return answer.content[0].text

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text

    async def prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).messages[0].content.text


@asynccontextmanager
async def connect(url):
    async with client_of(httpx2) as http:
        async with Client(streamable_http_client(url, http_client=http)) as client:
            yield Connected(client)


run_plan(connect)
