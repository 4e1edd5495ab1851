"""A stand-in for W&B's server: it answers what the client in `requirements.lock` asks and keeps what that sends, in memory."""

import contextlib
import gzip
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

ENTITY = "someone"
OF_NO_INTEREST = {"model": None, "project": {"artifact": None}}


@dataclass
class Run:
    """What the server has of a run: `given`, the variables of UpsertBucket as they came last; `lines`, the history by number."""

    given: dict = field(default_factory=dict)
    lines: dict[int, dict] = field(default_factory=dict)
    summary: dict = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    complete: bool = False

    @property
    def history(self):
        return [self.lines[number] for number in sorted(self.lines)]

    @property
    def config(self):
        return {key: value["value"] for key, value in json.loads(self.given["config"]).items() if key != "_wandb"}


class Server(ThreadingHTTPServer):
    """`runs`: each Run by its id; `sweeps`: each configuration by its id; `views`: each specification by its title;
    `commands`: what an agent is told to do, in turn."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.runs, self.sweeps, self.views, self.commands = {}, {}, {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.environment = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": "0" * 40, "WANDB_ERROR_REPORTING": "false"}

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # a client that is killed, or ends, goes away
            super().handle_error(request, client_address)

    def answer(self, operation, given):
        """The data of the answer to a GraphQL operation of this name."""
        project = {"id": "p", "name": given.get("project"), "entity": {"id": "e", "name": ENTITY}}
        match operation:
            case "Viewer" | "GetDefaultEntity":
                return {"viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}}
            case "RunResumeStatus" if given["name"] in self.runs:
                return {"model": project | {"bucket": self.resumed(given["name"])}}
            case "UpsertBucket":
                run = self.runs.setdefault(given["name"], Run())
                run.given |= {key: value for key, value in given.items() if value is not None}
                bucket = {"id": given["name"], "name": given["name"], "project": project, "historyLineCount": len(run.lines)}
                return {"upsertBucket": {"bucket": bucket, "inserted": not run.lines}}
            case "CreateRunFiles":
                where = f"{self.url}/storage/{given['run']}"
                files = [{"name": name, "uploadUrl": f"{where}/{name}"} for name in given["files"]]
                return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}
            case "CreateArtifact":  # which it says to have already
                artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": {"latestArtifact": None}}
                return {"createArtifact": {"artifact": artifact}}
            case "UpsertSweep":
                self.sweeps["s"] = yaml.safe_load(given["config"])
                sweep = {"name": "s", "project": project | {"name": given["projectName"]}}
                return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}
            case "SweepWithRuns":
                sweep = {"id": "s", "config": yaml.safe_dump(self.sweeps[given["sweep"]]), "runs": {"edges": []}}
                return {"project": {"sweep": sweep}}
            case "UpsertView2":
                self.views[given["displayName"]] = json.loads(given["spec"])
                return {"upsertView": {"view": {"id": "w", "name": given["name"]}, "inserted": True}}
            case "CreateAgent":
                return {"createAgent": {"agent": {"id": "a"}}}
            case "Heartbeat":
                busy = json.loads(given["runState"])
                commands = [] if busy else [self.commands.pop(0) if self.commands else {"type": "exit"}]
                return {"agentHeartbeat": {"agent": {"id": "a"}, "commands": json.dumps(commands)}}
        return OF_NO_INTEREST

    def resumed(self, name):
        """What a client is told of a run that is there already: how far it is."""
        run = self.runs[name]
        begun = json.dumps({"t": json.loads(run.given["config"])["_wandb"]["value"]["t"]})
        return {"id": name, "name": name, "summaryMetrics": json.dumps(run.summary), "config": run.given["config"],
                "historyLineCount": len(run.lines), "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
                "eventsLineCount": 0, "eventsTail": "[]", "logLineCount": 0, "tags": run.given.get("tags"), "wandbConfig": begun}

    def stream(self, name, sent):
        """Take what a client streams: lines of the history, each with its number, and the summary."""
        run = self.runs[name]
        files = sent.get("files", {})
        if history := files.get("wandb-history.jsonl"):
            run.lines |= {history["offset"] + number: json.loads(line) for number, line in enumerate(history["content"])}
        if summary := files.get("wandb-summary.json"):
            run.summary = json.loads(summary["content"][-1])
        run.complete = run.complete or sent.get("complete", False)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        sent = json.loads(self.body())
        if self.path == "/graphql":
            (operation,) = re.findall(r"^\s*(?:query|mutation)\s+(\w+)", sent["query"])
            return self.reply({"data": self.server.answer(operation, sent.get("variables") or {})})
        self.server.stream(self.path.split("/")[-2], sent)  # /files/<entity>/<project>/<run>/file_stream
        self.reply({})

    def do_PUT(self):
        _, _, run, name = self.path.split("/", 3)
        self.server.runs[run].files[name] = self.body()
        self.reply({})

    def body(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def reply(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving():
    """A Server that answers inside the block."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
