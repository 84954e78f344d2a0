"""The client of fastmcp, which shows its users the text of an error and nothing else."""

import asyncio
import json
import os
import ssl

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

GATEWAY = os.environ["GATEWAY"]
SERVER_NAME = os.environ["SERVER_NAME"]
CALLS = json.load(open(os.environ["CALLS"], encoding="utf-8"))


class Named(httpx2.AsyncHTTPTransport):
    """Asks for the name in the gateway's certificate, wherever the gateway is."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["host"] = SERVER_NAME
        request.extensions["sni_hostname"] = SERVER_NAME
        return await super().handle_async_request(request)


def client(headers=None, timeout=None, auth=None, **_) -> httpx2.AsyncClient:
    folder = os.environ["IDENTITY"]
    context = ssl.create_default_context(cafile=f"{folder}/trust-bundle.pem")
    context.load_cert_chain(f"{folder}/credential-bundle.pem")
    transport = Named(verify=context)
    return httpx2.AsyncClient(transport=transport, headers=headers, timeout=30, auth=auth)


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
