"""A server of fastmcp as its authors write them: it knows nothing of certificates. `guarded.py <port>`."""

import asyncio
import json
import sys

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_request

server = FastMCP("guarded")


@server.tool
def who() -> str:
    """Who calls, and what else came along."""
    headers = get_http_request().headers
    caller = json.loads(headers["countersign-caller"])
    others = [name for name in headers if name in ("txn-token", "authorization", "cookie")]
    return f"{caller['via']} {caller['spiffeId']} {caller['tenant']} {headers['host']} {others}"


@server.tool
async def count(to: int, context: Context) -> str:
    """Counts, and tells how far it is."""
    for at in range(to):
        await context.report_progress(at + 1, to)
    return f"counted to {to}"


ended = []


@server.tool
async def wait() -> str:
    """Waits until nobody waits for it any more."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        ended.append("cancelled")
        raise
    return "nobody went away"


if __name__ == "__main__":
    server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
