"""The client of the official Python SDK 2.x."""

import asyncio
import json
import os
import ssl

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

GATEWAY = os.environ["GATEWAY"]
SERVER_NAME = os.environ["SERVER_NAME"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


class Named(httpx2.AsyncHTTPTransport):
    """Asks for the name in the gateway's certificate, wherever the gateway is."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["host"] = SERVER_NAME
        request.extensions["sni_hostname"] = SERVER_NAME
        return await super().handle_async_request(request)


def client() -> httpx2.AsyncClient:
    folder = os.environ["IDENTITY"]
    context = ssl.create_default_context(cafile=f"{folder}/trust-bundle.pem")
    context.load_cert_chain(f"{folder}/credential-bundle.pem")
    return httpx2.AsyncClient(transport=Named(verify=context), timeout=30)


async def main() -> None:
    async with client() as http:
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
