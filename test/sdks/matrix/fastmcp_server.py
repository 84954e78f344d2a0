"""A server of FastMCP, as its documentation writes one. It speaks both eras."""

import asyncio
import os

from fastmcp import Context, FastMCP

server = FastMCP("notes")


@server.tool
def greet(name: str) -> str:
    """Says hello."""
    return f"hello, {name}"


@server.tool
async def count(seconds: int, ctx: Context) -> str:
    """Counts, and tells how far it is."""
    for step in range(seconds * 2):
        await ctx.report_progress(step, seconds * 2)
        await asyncio.sleep(0.5)
    return "counted"


@server.tool
def secret() -> str:
    """Nobody is granted this."""
    return "a secret"


@server.resource("notes://today")
def today() -> str:
    """Today's note."""
    return "a note"


@server.prompt
def review(what: str) -> str:
    """Asks for a review."""
    return f"Review {what}."


if __name__ == "__main__":
    server.run(transport="http", host="127.0.0.1", port=int(os.environ["PORT"]), show_banner=False)
