"""A stand-in for the W&B server: it keeps what a client tells, in plain dictionaries, and asks nobody.

It speaks as much of the protocol as wandb 0.31 does to it. What it does not know is kept in ``unknown``, which a test
holds to be empty: after an upgrade of wandb a new request is therefore seen, and not passed over.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

Json = dict[str, Any]

ENTITY = "lab"
KEY = "0" * 40


@dataclass
class FakeRun:
    """What the server knows of one run.

    Attributes:
        about: ``displayName``, ``groupName``, ``jobType``, ``tags``, ``sweep``.
        config: as it was told last; each key has a ``value``.
        streams: the lines of each streamed file, by their numbers.
        files: what was uploaded, by name.
        exit_code: how it ended; ``None`` while it has not said.
    """

    id: str
    project: str
    about: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    streams: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def state(self) -> str:
        """As the web page would show it."""
        return {None: "running", 0: "finished"}.get(self.exit_code, "failed")

    @property
    def history(self) -> list[Json]:
        """Its rows, in the order of their numbers."""
        return [json.loads(line) for line in self.lines("wandb-history.jsonl")]

    @property
    def summary(self) -> Json:
        """As it was told last."""
        told = self.lines("wandb-summary.json")
        return json.loads(told[-1]) if told else {}

    def lines(self, name: str) -> list[str]:
        """A streamed file."""
        return [line for _, line in sorted(self.streams.get(name, {}).items())]


@dataclass
class FakeArtifact:
    """A set of files that a run has made."""

    name: str
    kind: str
    run: str
    aliases: list[str]
    metadata: Json
    digest: str
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False


class FakeWandb:
    """The server, listening on loopback until it is closed."""

    def __init__(self) -> None:
        self.runs: dict[str, FakeRun] = {}
        self.artifacts: list[FakeArtifact] = []
        self.views: list[Json] = []
        self.sweep: Json = {}
        self.todo: list[Json] = []
        self.unknown: list[str] = []
        self.connections: list[socket.socket] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Die: nobody listens any more, and what was connected is cut off."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Json]:
        """The status and the content that a request gets."""
        with self.lock:
            match method, path.partition("?")[0].strip("/").split("/"):
                case "POST", ["graphql"]:
                    return 200, self._graphql(json.loads(body))
                case "POST", ["files", _, project, run, "file_stream"]:
                    self._stream(self._run(project, run), json.loads(body))
                case "PUT", ["runs", project, run, *name]:
                    self._run(project, run).files["/".join(name)] = body
                case "PUT", ["artifacts", number, *name]:
                    self.artifacts[int(number)].files["/".join(name)] = body
                case _:
                    self.unknown.append(f"{method} {path}")
                    return 404, {}
            return 200, {}

    def _run(self, project: str, run: str) -> FakeRun:
        return self.runs.setdefault(run, FakeRun(run, project))

    def _stream(self, run: FakeRun, told: Json) -> None:
        for name, chunk in (told.get("files") or {}).items():
            lines = run.streams.setdefault(name, {})
            lines.update(enumerate(chunk["content"], chunk["offset"]))
        if told.get("complete"):
            run.exit_code = told["exitcode"]

    def _graphql(self, asked: Json) -> Json:
        found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
        name = asked.get("operationName") or (found.group(1) if found else "")
        told = asked.get("variables") or {}
        told = told | (told["input"] if isinstance(told.get("input"), dict) else {})
        operation = getattr(self, f"on_{name}", None)
        try:
            if operation is None:
                raise NotImplementedError
            return {"data": operation(told)}
        except Exception as error:  # a dropped connection would be tried again for minutes
            self.unknown.append(f"{name}: {error!r} {json.dumps(told)[:300]}")
            return {"data": None, "errors": [{"message": f"{name}: {error!r}"}]}

    # Who asks, and where.

    def on_Viewer(self, _: Json) -> Json:
        user = {"id": "U", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": {"edges": []}}
        return {"viewer": user}

    def on_GetDefaultEntity(self, told: Json) -> Json:
        return self.on_Viewer(told)

    def on_ServerFeaturesQuery(self, _: Json) -> Json:
        return {"serverInfo": {"features": []}}

    def on_OrganizationCoreWeaveOrganizationID(self, _: Json) -> Json:
        return {"entity": {"organization": None}}

    # Runs.

    def on_RunResumeStatus(self, told: Json) -> Json:
        run = self.runs.get(told["name"])
        return {"model": {**_project(told["project"]), "bucket": self._bucket(run) if run else None}}

    def on_UpsertBucket(self, told: Json) -> Json:
        inserted = told["name"] not in self.runs
        run = self._run(told["project"], told["name"])
        run.config = json.loads(told["config"]) if told.get("config") else run.config
        for key in ("displayName", "groupName", "jobType", "tags", "sweep"):
            if told.get(key) is not None:
                run.about[key] = told[key]
        if told.get("summaryMetrics"):
            run.streams["wandb-summary.json"] = {0: told["summaryMetrics"]}
        return {"upsertBucket": {"bucket": self._bucket(run), "inserted": inserted}}

    def on_CreateRunFiles(self, told: Json) -> Json:
        urls = [(name, f"{self.url}/runs/{told['project']}/{told['run']}/{name}") for name in told["files"]]
        files = [{"name": name, "uploadUrl": url} for name, url in urls]
        return {"createRunFiles": {"runID": f"S-{told['run']}", "uploadHeaders": [], "files": files}}

    def _bucket(self, run: FakeRun) -> Json:
        history, events, log = (run.lines(name) for name in ("wandb-history.jsonl", "wandb-events.jsonl", "output.log"))
        return {
            "id": f"S-{run.id}",
            "name": run.id,
            "displayName": run.about.get("displayName"),
            "description": "",
            "sweepName": run.about.get("sweep"),
            "config": json.dumps(run.config),
            "wandbConfig": json.dumps({"t": 1}),
            "summaryMetrics": json.dumps(run.summary),
            "historyLineCount": len(history),
            "eventsLineCount": len(events),
            "logLineCount": len(log),
            "historyTail": json.dumps(history[-1:]),
            "eventsTail": json.dumps(events[-1:]),
            "tags": run.about.get("tags") or [],
            "project": _project(run.project),
        }

    # What a reader asks.

    def on_Runs(self, told: Json) -> Json:
        runs = [run for run in self.runs.values() if run.project == told["project"]]
        if not runs:
            return {"project": None}
        edges = [{"node": self._node(run), "cursor": run.id} for run in runs]
        page = {"edges": edges, "pageInfo": {"endCursor": runs[-1].id, "hasNextPage": False}}
        return {"project": {"internalId": "P", "runCount": len(runs), "readOnly": False, "runs": page}}

    def on_RunFullHistory(self, told: Json) -> Json:
        return {"project": {"run": {"history": self.runs[told["name"]].lines("wandb-history.jsonl")}}}

    def _node(self, run: FakeRun) -> Json:
        return self._bucket(run) | {
            "projectId": "1",
            "state": run.state,
            "group": run.about.get("groupName"),
            "jobType": run.about.get("jobType"),
            "commit": None,
            "readOnly": False,
            "createdAt": "2026-01-01T00:00:00Z",
            "heartbeatAt": "2026-01-01T00:00:00Z",
            "notes": "",
            "systemMetrics": "{}",
            "user": {"name": ENTITY, "username": ENTITY},
            "historyKeys": None,
        }

    # Artefacts.

    def on_ArtifactType(self, _: Json) -> Json:
        return {"project": {"artifact": None}}

    def on_CreateArtifact(self, told: Json) -> Json:
        aliases = [alias["alias"] for alias in told.get("aliases") or []]
        names = (told["artifactCollectionName"], told["artifactTypeName"], told["runName"])
        self.artifacts.append(FakeArtifact(*names, aliases, json.loads(told["metadata"] or "{}"), told["digest"]))
        made = {"id": str(len(self.artifacts) - 1), "state": "PENDING", "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def on_CreateArtifactManifest(self, told: Json) -> Json:
        file = self._upload(told["artifactID"], told["name"]) | {"id": "F"}
        return {"createArtifactManifest": {"artifactManifest": {"id": told["artifactID"], "file": file}}}

    def on_UpdateArtifactManifest(self, told: Json) -> Json:
        file = self._upload(told["artifactManifestID"], "wandb_manifest.json") | {"id": "F"}
        return {"updateArtifactManifest": {"artifactManifest": {"id": told["artifactManifestID"], "file": file}}}

    def on_CreateArtifactFiles(self, told: Json) -> Json:
        nodes = [
            self._upload(file["artifactID"], file["name"])
            | {"storagePath": file["name"], "uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}}
            for file in told["artifactFiles"]
        ]
        return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}

    def on_CommitArtifact(self, told: Json) -> Json:
        artifact = self.artifacts[int(told["artifactID"])]
        artifact.committed = True
        return {"commitArtifact": {"artifact": {"id": told["artifactID"], "digest": artifact.digest}}}

    def _upload(self, number: str, name: str) -> Json:
        return {"uploadUrl": f"{self.url}/artifacts/{number}/{name}", "uploadHeaders": []}

    # Views of a project, and reports, which are views, too.

    def on_ProjectInternalId(self, told: Json) -> Json:
        return {"project": {"id": "P", "internalId": "UDox"}}

    def on_GetProjects(self, told: Json) -> Json:
        names = sorted({run.project for run in self.runs.values()})
        about = {"id": "P", "entityName": ENTITY, "createdAt": "", "isBenchmark": False, "user": None}
        edges = [{"node": about | {"name": name}, "cursor": ""} for name in names]
        return {"models": {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": ""}}}

    def on_UpsertView2(self, told: Json) -> Json:
        self.views.append(told | {"spec": json.loads(told["spec"])})
        return {"upsertView": {"view": {"id": f"V{len(self.views)}", "name": told["name"]}, "inserted": True}}

    def on_upsertView(self, told: Json) -> Json:
        answer = self.on_UpsertView2(told)
        project = {"id": "P", "name": told["projectName"], "entityName": ENTITY}
        view = {key: told[key] for key in ("type", "name", "displayName", "description", "spec")}
        answer["upsertView"]["view"] |= view | {"project": project, "updatedAt": "2020-01-01T00:00:00"}
        return answer

    # Sweeps: a grid, one run after the other.

    def on_UpsertSweep(self, told: Json) -> Json:
        self.sweep = yaml.safe_load(told["config"])
        choices = {key: each.get("values", [each.get("value")]) for key, each in self.sweep["parameters"].items()}
        self.todo = [
            {"type": "run", "run_id": f"agent{i}", "program": self.sweep.get("program"), "args": _args(choices, point)}
            for i, point in enumerate(itertools.product(*choices.values()))
        ]
        self.todo.append({"type": "exit"})
        return {"upsertSweep": {"sweep": {"name": "sweep", "project": _project(told["projectName"])}}}

    def on_SweepWithRuns(self, _: Json) -> Json:
        sweep = {"id": "W", "name": "sweep", "config": yaml.safe_dump(self.sweep), "state": "RUNNING"}
        return {"project": {"sweep": sweep | {"runs": {"edges": []}}}}

    def on_CreateAgent(self, _: Json) -> Json:
        return {"createAgent": {"agent": {"id": "A"}}}

    def on_Heartbeat(self, told: Json) -> Json:
        busy = any(json.loads(told["runState"]).values())
        commands = [self.todo.pop(0)] if self.todo and not busy else []
        return {"agentHeartbeat": {"agent": {"id": "A"}, "commands": json.dumps(commands)}}


def _args(choices: Json, point: tuple[Any, ...]) -> Json:
    return {key: {"value": value} for key, value in zip(choices, point, strict=True)}


def _project(name: str) -> Json:
    return {"id": "P", "name": name, "entity": {"id": "E", "name": ENTITY}}


def _handler(fake: FakeWandb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            fake.connections.append(self.request)
            super().setup()

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, content = fake.answer(self.command, self.path, body)
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    return Handler
