"""Several server processes behind Caddy and nginx, configured as docs/class.md says it: sessions stick, logins and websockets work."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from pages.parts.server.class_server import make_words
from pages.parts.server.door import COOKIE
from tests.browser.conftest import ROOT, free_port
from tests.coroutines import finished
from tests.dispatchers import Dispatchers
from tests.runs.lab import PATIENCE

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "class.md").read_text()
CADDY, NGINX = shutil.which("caddy"), shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
ANALYZE = shutil.which("systemd-analyze")


def configured(name: str) -> str:
    """What docs/class.md wants to stand in the file of that name, where several processes serve."""
    blocks = re.findall(rf"```\n# \S*{name}\n(.*?)```", GUIDE, re.DOTALL)
    return str(blocks[-1])


@pytest.mark.skipif(not ANALYZE, reason="systemd is not installed")
def test_units_are_what_systemd_reads(tmp_path: Path):
    """It finds no line in them that it does not know, and the programs that they start; with a wrong one it says so."""
    units = dict(re.findall(r"```\n# /etc/systemd/system/(\S+)\n(.*?)```", GUIDE, re.DOTALL))
    assert set(units) == {"fmnist-lab-runs.service", "fmnist-lab@.service", "fmnist-pages.slice"}
    for name, unit in units.items():
        (tmp_path / name.replace("@.", "@8501.")).write_text(unit.replace("/srv/lab", str(ROOT)))

    def complaints() -> list[str]:
        files = sorted(map(str, tmp_path.iterdir()))
        done = subprocess.run([str(ANALYZE), "verify", *files], capture_output=True, text=True, check=False)
        return [line for line in done.stderr.splitlines() if "fmnist-" in line]

    assert complaints() == []
    wrong = tmp_path / "fmnist-lab-runs.service"
    wrong.write_text(wrong.read_text().replace("KillMode=process", "KillMode=nobody"))
    assert "kill mode" in complaints()[0]


@contextmanager
def process(command: list[str], log: Path, port: int, **environment: str) -> Iterator[int]:
    """Runs, from when it listens to the end; its number."""
    with open(log, "wb") as output:
        started = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(PATIENCE)


@contextmanager
def servers(tmp_path: Path, base: str) -> Iterator[tuple[dict[int, int], dict[str, str]]]:
    """Two processes of the app on one runs folder, behind the class's door: by port their numbers, and the words."""
    words, ports = make_words(), [free_port(), free_port()]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.baseUrlPath", base, "--server.port"]
    first, second = (
        process([*command, str(port)], tmp_path / f"server{port}.log", port, FMNIST_DOOR="word") for port in ports
    )
    with first as one, second as other:
        yield dict(zip(ports, (one, other), strict=True)), words


def worked(processes: dict[int, int]) -> dict[int, int]:
    """The clock ticks that each has computed for, by port."""
    stats = {port: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for port, pid in processes.items()}
    return {port: int(fields[11]) + int(fields[12]) for port, fields in stats.items()}


def has_pandas(process: int) -> bool:
    """Whether one of its libraries has come into the process."""
    return "/pandas/" in Path(f"/proc/{process}/maps").read_text()


def in_place(text: str, ports: list[int]) -> str:
    """With the test's ports in place of the four of the guide."""
    for guide, ours in zip((8501, 8502), ports, strict=True):
        text = text.replace(f"127.0.0.1:{guide}", f"127.0.0.1:{ours}")
    return re.sub(r"(?m)^\s*server 127\.0\.0\.1:850\d;\n| 127\.0\.0\.1:850\d", "", text)


@contextmanager
def caddy(tmp_path: Path, ports: list[int], _base: str) -> Iterator[str]:
    """With a certificate of its own."""
    if CADDY is None:
        pytest.skip("Caddy is not installed")
    port = free_port()
    text = in_place(configured("Caddyfile"), ports).replace("lab.example.org", f"https://localhost:{port}")
    text = text.replace(
        "health_uri", "header_down X-Upstream {http.reverse_proxy.upstream.hostport}\n        health_uri"
    )
    own = "{\n    admin off\n    local_certs\n    skip_install_trust\n    auto_https disable_redirects\n}\n"
    (tmp_path / "Caddyfile").write_text(own + text)
    command = [CADDY, "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    homes = {name: str(tmp_path / "caddy") for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "HOME")}
    with process(command, tmp_path / "caddy.log", port, **homes):
        yield f"https://localhost:{port}"


@contextmanager
def nginx(tmp_path: Path, ports: list[int], base: str) -> Iterator[str]:
    """With a certificate that openssl makes, below a base path."""
    if NGINX is None or shutil.which("openssl") is None:
        pytest.skip("nginx, or openssl, is not installed")
    port, certificate, key = free_port(), tmp_path / "chain.pem", tmp_path / "key.pem"
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
        "-keyout",
    ]
    subprocess.run([*openssl, str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = in_place(configured("fmnist-lab.conf"), ports).replace("location /", f"location /{base}/")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("lab.example.org;", "localhost;", 1)
    text = re.sub(r"ssl_certificate \S+", f"ssl_certificate {certificate};", text)
    text = re.sub(r"ssl_certificate_key \S+", f"ssl_certificate_key {key};", text)
    text = text.replace("proxy_pass", "add_header X-Upstream $upstream_addr always;\n        proxy_pass")
    folders = "".join(
        f"    {name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = (
        "user root;\n" if os.geteuid() == 0 else ""
    )  # else its workers are nobody, who may not enter the test's folder
    head = f"{user}daemon off;\npid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n{folders}"
    (tmp_path / "nginx.conf").write_text(f"{head}{text}}}\n")
    with process([NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], tmp_path / "nginx.log", port):
        yield f"https://localhost:{port}"


async def settled(processes: dict[int, int]) -> dict[int, int]:
    """As `worked`, in clock ticks, once both have done what they do after their first page: importing pandas."""
    before = worked(processes)
    for _ in range(60):
        await asyncio.sleep(1)
        now = worked(processes)
        if all(map(has_pandas, processes.values())) and all(now[port] - before[port] < 5 for port in now):
            break
        before = now
    return worked(processes)


async def page_of(address: str, base: str, cookies: dict[str, str], processes: dict[int, int]) -> int:
    """Train, as a browser draws it: through a websocket, to the script's end and without an error; the port that drew it."""
    before = await settled(processes)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with websockets.connect(
        f"{address.replace('https', 'wss')}{base}/_stcore/stream",
        ssl=trusting,
        origin=websockets.Origin(address),
        subprotocols=[websockets.Subprotocol("streamlit")],
        additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
        max_size=None,
        open_timeout=60,
    ) as stream:
        message = BackMsg()
        message.rerun_script.page_name = "train"
        message.rerun_script.context_info.url = f"{address}{base}/train"
        await stream.send(message.SerializeToString())
        async with asyncio.timeout(120):
            async for data in stream:
                told = ForwardMsg()
                told.ParseFromString(bytes(data))  # type: ignore[arg-type]
                assert told.delta.new_element.WhichOneof("type") != "exception", (
                    told.delta.new_element.exception.message
                )
                if told.WhichOneof("type") == "script_finished":
                    break
        now = worked(processes)  # drawing Train takes far longer than anything else here
        return max(now, key=lambda port: now[port] - before[port])


@pytest.mark.parametrize(("proxy", "base"), [(caddy, ""), (nginx, "lab")], ids=["Caddy", "nginx, below /lab"])
def test_a_class_on_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dispatchers: Dispatchers, proxy, base: str
):  # type: ignore[no-untyped-def]
    """Eight learners come in through TLS, are shared out among both processes, and each stays with one: pages, routes, websocket."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    below = f"/{base}" if base else ""
    served: set[str] = set()
    dispatchers.start(tmp_path / "runs")
    with (
        servers(tmp_path, base) as (processes, words),
        proxy(tmp_path, list(processes), base) as address,
    ):
        for number in range(8):
            with httpx.Client(base_url=address, verify=False, timeout=60) as learner:
                asked = learner.get(f"{below}/train?run=0", headers={"Accept": "text/html"})
                assert (asked.status_code, asked.headers["location"].partition("?")[0]) == (303, f"{below}/door")
                assert learner.get(f"{below}/api/runs").status_code == 401
                given = {"name": f"Learner {number}", "word": words["learner"], "next": "/train?run=0"}
                came_in = learner.post(f"{below}/door", data=given)
                assert (came_in.status_code, came_in.headers["location"]) == (303, f"{below}/train?run=0")
                assert re.search(rf"{COOKIE}=[^,]*Secure", came_in.headers["set-cookie"])
                answers = [
                    learner.get(f"{below}{path}") for path in ("/train", "/api/runs", "/_stcore/host-config") * 2
                ]
                assert [answer.status_code for answer in answers] == [200] * 6
                assert json.loads(answers[1].text)["rows"] == []
                upstreams = [answer.headers["x-upstream"] for answer in (came_in, *answers)]
                if number < 3:
                    port = finished(page_of(address, below, dict(learner.cookies), processes))
                    upstreams.append(f"127.0.0.1:{port}")
                assert len(set(upstreams)) == 1
                served |= set(upstreams)
    assert served == {f"127.0.0.1:{port}" for port in processes}
    dispatchers.end(tmp_path / "runs")
