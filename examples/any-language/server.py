"""An MCP server of fastmcp that knows nothing of certificates: `server.py <port>`, behind `countersign guard`."""

import json
import sys

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_request

server = FastMCP("search")


@server.tool
def who() -> str:
    """Says who calls, as the guard has told, and names whatever else came along that should not."""
    headers = get_http_request().headers
    caller = json.loads(headers["countersign-caller"])
    others = [name for name in ("txn-token", "authorization", "cookie") if name in headers]
    return f"{caller['spiffeId']} of {caller['tenant']}, {others or 'nothing else'}"


@server.tool
async def count(to: int, context: Context) -> str:
    """Counts, and tells how far it is."""
    for at in range(to):
        await context.report_progress(at + 1, to)
    return f"counted to {to}"


if __name__ == "__main__":
    # On loopback only: any other address would be a way around the guard, and the guard would serve nobody.
    server.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]), show_banner=False)
