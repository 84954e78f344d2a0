"""The mounted certificate, for an HTTP client of httpx or of httpx2, which have one interface."""

import os
import ssl


def client_of(http, **options):
    """An asynchronous client that asks for the name in the gateway's certificate, wherever the gateway is."""
    name = os.environ["SERVER_NAME"]
    folder = os.environ["IDENTITY"]
    context = ssl.create_default_context(cafile=f"{folder}/trust-bundle.pem")
    context.load_cert_chain(f"{folder}/credential-bundle.pem")

    class Named(http.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            request.headers["host"] = name
            request.extensions["sni_hostname"] = name
            return await super().handle_async_request(request)

    return http.AsyncClient(**{**options, "transport": Named(verify=context), "timeout": 30})
