"""A graph with a node for the model and one for the tool. Its checkpoints are in SQLite, a thread per run."""

import asyncio
import contextlib
import json
import logging
import os
from typing import Any

import aiohttp
import uvloop
from aiohttp import web
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

RULE = (
    "Work in as many turns as you need, at most 6. "
    "When the task is complete, end your answer with a line that says only DONE."
)
LINE = "The tide comes in, the tide goes out, and neither asks who watches from the shore."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Looks a key up.",
            "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
        },
    }
]


class State(MessagesState):
    tools: bool


class Saver(AsyncSqliteSaver):
    """The saver of the library, which tells when a thread's first checkpoint is written."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.accepted: dict[str, asyncio.Future[None]] = {}

    async def aput(self, config: Any, *rest: Any) -> Any:
        written = await super().aput(config, *rest)
        accepted = self.accepted.pop(config["configurable"]["thread_id"], None)
        if accepted is not None:
            accepted.set_result(None)
        return written


@tool
def lookup(key: str) -> str:
    """Looks a key up."""
    return f"the value of {key} is 42"


def conversation(task: str, count: int) -> list[Any]:
    before = [
        AIMessage(content=LINE) if index % 2 else HumanMessage(content=f"Continue with part {index}.")
        for index in range(count)
    ]
    return [SystemMessage(content=RULE), *before, HumanMessage(content=task)]


def is_done(message: Any) -> bool:
    return message.content.rstrip().rsplit("\n", 1)[-1].strip() == "DONE"


def after_model(state: State) -> str:
    last = state["messages"][-1]
    if isinstance(last, HumanMessage):
        return "model"
    return "tools" if last.tool_calls else END


def call_tools(state: State) -> dict[str, Any]:
    calls = state["messages"][-1].tool_calls
    return {"messages": [ToolMessage(content=lookup.invoke(call["args"]), tool_call_id=call["id"]) for call in calls]}


class Agent:
    def __init__(self, saver: Saver, http: aiohttp.ClientSession) -> None:
        self.saver = saver
        self.http = http
        self.url = os.environ["MODEL_URL"] + "/v1/chat/completions"
        self.live: dict[str, tuple[asyncio.Task[None], set[asyncio.Queue[int | None]]]] = {}
        builder = StateGraph(State)
        builder.add_node("model", self.call_model)
        builder.add_node("tools", call_tools)
        builder.add_edge(START, "model")
        builder.add_conditional_edges("model", after_model, ["model", "tools", END])
        builder.add_edge("tools", "model")
        self.graph = builder.compile(checkpointer=saver)

    async def call_model(self, state: State) -> dict[str, Any]:
        body = {
            "model": "tiny",
            "messages": convert_to_openai_messages(state["messages"]),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if state["tools"]:
            body["tools"] = TOOLS
        text, calls = "", {}
        async with self.http.post(self.url, json=body) as response:
            response.raise_for_status()
            async for line in response.content:
                if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    delta = choice["delta"]
                    text += delta.get("content") or ""
                    for part in delta.get("tool_calls", ()):
                        call = calls.setdefault(part["index"], {"id": part.get("id"), "name": "", "args": ""})
                        call["name"] += part["function"].get("name", "")
                        call["args"] += part["function"].get("arguments", "")
        tool_calls = [call | {"args": json.loads(call["args"])} for call in calls.values()]
        answer = AIMessage(content=text, tool_calls=tool_calls)
        if tool_calls or is_done(answer):
            return {"messages": [answer]}
        return {"messages": [answer, HumanMessage(content="Continue.")]}

    def begin(self, run: str, start: dict[str, Any] | None) -> None:
        """Runs the thread from its start, or where it has one, from its last checkpoint."""
        queues: set[asyncio.Queue[int | None]] = set()
        self.live[run] = (asyncio.create_task(self.drive(run, start, queues)), queues)

    async def drive(self, run: str, start: dict[str, Any] | None, queues: set[asyncio.Queue[int | None]]) -> None:
        turn = 0
        try:
            async for update in self.graph.astream(start, thread(run), stream_mode="updates"):
                if "model" in update:
                    turn += 1
                    for queue in tuple(queues):
                        queue.put_nowait(turn)
        except Exception:
            logging.exception("the run %s failed", run)
            raise
        finally:
            del self.live[run]
            for queue in queues:
                queue.put_nowait(None)

    async def post(self, request: web.Request) -> web.Response:
        run, asked = request.match_info["run"], await request.json()
        accepted = asyncio.get_running_loop().create_future()
        self.saver.accepted[run] = accepted
        messages = conversation(asked["task"], asked["messages"])
        self.begin(run, {"messages": messages, "tools": asked["tools"]})
        done, _ = await asyncio.wait({accepted, self.live[run][0]}, return_when=asyncio.FIRST_COMPLETED)
        return web.Response(status=202 if accepted in done else 500)

    async def events(self, request: web.Request) -> web.StreamResponse:
        run = request.match_info["run"]
        if run not in self.live:
            state = await self.graph.aget_state(thread(run))
            if not state.values:
                return web.Response(status=404)
            # Nothing but this resumes a thread that a death interrupted. `next` would not tell: it leaves out a task whose result is
            # written and whose checkpoint is not.
            if state.tasks and run not in self.live:
                self.begin(run, None)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        task, queues = self.live.get(run, (None, set()))
        queue: asyncio.Queue[int | None] = asyncio.Queue()
        queues.add(queue)
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            while task is not None and (turn := await queue.get()) is not None:
                await response.write(event("turn", {"turn": turn}))
            failure = None if task is None else (await asyncio.gather(task, return_exceptions=True))[0]
            await response.write(event("ended", {"status": "failed" if failure else "completed"}))
        queues.discard(queue)
        return response


def thread(run: str) -> Any:
    return {"configurable": {"thread_id": run}}


def event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def main() -> None:
    path = os.path.join(os.environ["STATE"], "checkpoints.sqlite")
    connector = aiohttp.TCPConnector(limit=0)
    async with Saver.from_conn_string(path) as saver, aiohttp.ClientSession(connector=connector) as http:
        await saver.setup()
        agent = Agent(saver, http)
        app = web.Application()
        app.router.add_post("/runs/{run}", agent.post)
        app.router.add_get("/runs/{run}/events", agent.events)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"]), backlog=2048).start()
        await asyncio.Event().wait()


uvloop.run(main())
