"""The official Python SDK 1.x."""

from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from named import client_of
from run_plan import run_plan


def http(headers=None, timeout=None, auth=None) -> httpx.AsyncClient:
    return client_of(httpx, headers=headers, auth=auth)


class Connected:
    def __init__(self, session, revision):
        self.session = session
        self.revision = revision

    async def list(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool, arguments, progress=None):
        answer = await self.session.call_tool(tool, arguments, progress_callback=progress)
        return answer.content[0].text

    async def read(self, uri):
        return (await self.session.read_resource(uri)).contents[0].text

    async def prompt(self, name, arguments):
        return (await self.session.get_prompt(name, arguments)).messages[0].content.text


@asynccontextmanager
async def connect(url):
    async with streamablehttp_client(url, httpx_client_factory=http) as (read, write, _):
        async with ClientSession(read, write) as session:
            revision = (await session.initialize()).protocolVersion
            yield Connected(session, revision)


run_plan(connect)
