"""The steps of a plan, by whichever client a program brings: what a client in Python has to say at each is one line of JSON."""

import asyncio
import json
import os

PLAN = json.load(open(os.environ["PLAN"], encoding="utf-8"))


def cause_of(error: BaseException) -> str:
    """What a group of errors is about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def step(server, name, act):
    try:
        print(json.dumps({"server": server, "step": name, "said": str(await act())}), flush=True)
    except Exception as error:
        print(json.dumps({"server": server, "step": name, "failed": cause_of(error)}), flush=True)


async def run_steps(server, client, steps):
    """`client` has the words list, call, read and prompt, and the revision that it speaks."""

    async def revision():
        return client.revision

    async def names():
        return ",".join(await client.list())

    async def call(name):
        return await client.call(steps[name]["tool"], steps[name]["arguments"])

    async def progress():
        told = []

        async def tell(*_, **__):
            told.append(1)

        await client.call(steps["progress"]["tool"], steps["progress"]["arguments"], tell)
        return len(told)

    async def cancels():
        try:
            await asyncio.wait_for(call("cancels"), 0.5)
            ended = "answered"
        except TimeoutError:
            ended = "given up"
        return f"{ended}, then {await call('calls')}"

    await step(server, "speaks", revision)
    await step(server, "lists", names)
    await step(server, "calls", lambda: call("calls"))
    await step(server, "refuses", lambda: call("refuses"))
    if "progress" in steps:
        await step(server, "progress", progress)
    if "cancels" in steps:
        await step(server, "cancels", cancels)
    if "reads" in steps:
        await step(server, "reads", lambda: client.read(steps["reads"]))
    if "prompts" in steps:
        prompt = steps["prompts"]
        await step(server, "prompts", lambda: client.prompt(prompt["name"], prompt["arguments"]))


def run_plan(connect):
    """`connect(url)` is an asynchronous context manager that gives a client."""

    async def run():
        for asked in PLAN["servers"]:
            try:
                async with connect(asked["url"]) as client:
                    await run_steps(asked["server"], client, asked["steps"])
            except Exception as error:
                said = {"server": asked["server"], "step": "speaks", "failed": cause_of(error)}
                print(json.dumps(said), flush=True)

    asyncio.run(run())
