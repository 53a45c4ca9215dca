"""A server of this machine that answers coding agents as four providers do, with one small edit."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SHELLS = ("bash", "Bash", "exec_command", "shell_command", "run_shell_command", "shell")
"""What agents call the tool that runs a command."""
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""What mini-swe-agent wants to see in the end."""
INPUT_TOKENS, OUTPUT_TOKENS = 110, 7
"""Of each answer."""


class Provider(ThreadingHTTPServer):
    """Asks for one command, and when it has run is done; to who offers no tools it writes out the file."""

    daemon_threads = True

    def __init__(self, file: str, new: str, command: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.file, self.new, self.command = file, new, command
        self.down = False
        """Answers that it is overloaded."""
        self.asked: list[str] = []
        """Paths of the requests."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@contextmanager
def provider(file: str, new: str, command: str) -> Iterator[Provider]:
    server = Provider(file, new, command)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was asked is kept."""

    def do_GET(self) -> None:
        self._send(200, {"data": [], "models": []})

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.down:
            return self._send(
                503, {"error": {"message": "overloaded", "type": "overloaded_error", "code": 503}}
            )
        body = json.loads(text)
        path = self.path.partition("?")[0]
        if path.endswith("/chat/completions"):
            self._chat(body)
        elif path.endswith("/responses"):
            self._responses(body)
        elif path.endswith("/count_tokens"):
            self._send(200, {"input_tokens": INPUT_TOKENS})
        elif path.endswith("/messages"):
            self._messages(body)
        elif "generateContent" in path or "GenerateContent" in path:
            self._gemini(body, stream="streamGenerateContent" in path)
        else:
            self._send(404, {"error": {"message": f"no {path}", "code": 404}})

    def _turn(self, tools: list[dict[str, Any]], acted: bool, body: Any) -> tuple[str, dict[str, Any]] | str:
        """A tool to call with its arguments, or words."""
        offered = {tool["name"]: tool for tool in tools if "name" in tool}
        name = next((shell for shell in SHELLS if shell in offered), "")
        if not name:
            return f"{self.server.file}\n```\n{self.server.new}```\n"
        line = self.server.command
        if acted:
            if SUBMIT not in json.dumps(body):
                return "Done."
            line = f"echo {SUBMIT}"
        schema = offered[name].get("parameters") or offered[name].get("input_schema") or {}
        known = schema.get("properties", {})
        key = "cmd" if "cmd" in known else "command"
        value: Any = ["sh", "-c", line] if known.get(key, {}).get("type") == "array" else line
        return name, {key: value, **({"description": "edit"} if "description" in known else {})}

    def _chat(self, body: dict[str, Any]) -> None:
        tools = [tool["function"] for tool in body.get("tools", ())]
        turn = self._turn(tools, any(m["role"] == "tool" for m in body["messages"]), body)
        usage = {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        message: dict[str, Any] = {"role": "assistant", "content": turn if isinstance(turn, str) else None}
        if not isinstance(turn, str):
            call = {"name": turn[0], "arguments": json.dumps(turn[1])}
            message["tool_calls"] = [{"index": 0, "id": "call_1", "type": "function", "function": call}]
        finish = "stop" if isinstance(turn, str) else "tool_calls"
        common = {"id": "chat-1", "created": 1, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            document = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
            return self._send(200, document)
        chunk = {**common, "object": "chat.completion.chunk"}
        self._stream(
            {**chunk, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {**chunk, "choices": [], "usage": usage},
            end="data: [DONE]\n\n",
        )

    def _responses(self, body: dict[str, Any]) -> None:
        acted = any("output" in str(item.get("type", "")) for item in body["input"])
        turn = self._turn(body.get("tools", []), acted, body)
        if isinstance(turn, str):
            content = [{"type": "output_text", "text": turn, "annotations": []}]
            item = {
                "type": "message",
                "id": "m1",
                "role": "assistant",
                "status": "completed",
                "content": content,
            }
        else:
            item = {"type": "function_call", "id": "f1", "call_id": "call_1", "name": turn[0]}
            item |= {"arguments": json.dumps(turn[1]), "status": "completed"}
        usage = {
            "input_tokens": INPUT_TOKENS,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        response = {"id": "r1", "object": "response", "model": body["model"], "output": [item]}
        self._events(
            {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}},
        )

    def _messages(self, body: dict[str, Any]) -> None:
        acted = '"tool_result"' in json.dumps(body["messages"])
        turn = self._turn(body.get("tools", []), acted, body)
        usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
        block: dict[str, Any] = {"type": "text", "text": turn}
        delta: dict[str, Any] = {"type": "text_delta", "text": turn}
        if not isinstance(turn, str):
            block = {"type": "tool_use", "id": "toolu_1", "name": turn[0], "input": turn[1]}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(turn[1])}
        stop = "end_turn" if isinstance(turn, str) else "tool_use"
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "usage": usage,
        }
        if not body.get("stream"):
            return self._send(
                200, {**message, "content": [block], "stop_reason": stop, "stop_sequence": None}
            )
        start: dict[str, Any] = {"text": ""} if isinstance(turn, str) else {"input": {}}
        empty = {**block, **start}
        self._events(
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": empty},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop, "stop_sequence": None},
                "usage": {"output_tokens": OUTPUT_TOKENS},
            },
            {"type": "message_stop"},
        )

    def _gemini(self, body: dict[str, Any], *, stream: bool) -> None:
        groups = body.get("tools", [])
        tools = [tool for group in groups for tool in group.get("functionDeclarations", ())]
        for tool in tools:
            tool.setdefault("parameters", tool.get("parametersJsonSchema", {}))
        turn = self._turn(tools, '"functionResponse"' in json.dumps(body["contents"]), body)
        part: dict[str, Any] = (
            {"text": turn} if isinstance(turn, str) else {"functionCall": {"name": turn[0], "args": turn[1]}}
        )
        usage = {
            "promptTokenCount": INPUT_TOKENS,
            "candidatesTokenCount": OUTPUT_TOKENS,
            "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        content = {"role": "model", "parts": [part]}
        document = {
            "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
            "usageMetadata": usage,
        }
        return self._stream(document) if stream else self._send(200, document)

    def _events(self, *events: dict[str, Any]) -> None:
        """Server-sent events that have their names."""
        self._write("".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events))

    def _stream(self, *documents: dict[str, Any], end: str = "") -> None:
        self._write("".join(f"data: {json.dumps(document)}\n\n" for document in documents) + end)

    def _write(self, text: str, status: int = 200, kind: str = "text/event-stream") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send(self, status: int, document: dict[str, Any]) -> None:
        self._write(json.dumps(document), status, "application/json")
