"""Lines of Traefik's access log per CPU-second, beside mtail: full JSON, ten fields, common format."""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench._harness import Bench, as_installed

FIGURES = "json", "json ten fields", "clf"
BEGIN = 1_795_500_000
HOSTS = [f"site{n}.example.com" for n in range(15)]
STATUSES = [200] * 80 + [304] * 8 + [404] * 6 + [301] * 3 + [500, 502, 503]
DROPPED = (
    "ClientAddr", "ClientHost", "ClientPort", "ClientUsername", "OriginContentSize", "OriginDuration",
    "OriginStatus", "Overhead", "RequestAddr", "RequestCount", "RequestPath", "RequestPort",
    "RequestProtocol", "RequestScheme", "RetryAttempts", "ServiceAddr", "ServiceURL", "StartLocal",
)  # fmt: skip
# What mtail counts: requests by host, service and status, bytes, and the same histogram.
MTAIL_JSON = r"""
counter requests by host, service, status
counter bytes by host, service
histogram duration by host, service buckets 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
/"DownstreamContentSize":(?P<size>\d+),"DownstreamStatus":(?P<status>\d+),"Duration":(?P<took>\d+),/ +
/.*"RequestHost":"(?P<host>[^"]*)".*"ServiceName":"(?P<service>[^"]*)"/ {
  requests[$host][$service][$status]++
  bytes[$host][$service] += $size
  duration[$host][$service] = $took / 1000000000.0
}
"""
MTAIL_CLF = r"""
counter requests by router, status
counter bytes by router
histogram duration by router buckets 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
/" (?P<status>\d+) (?P<size>\d+) ".*" \d+ "(?P<router>[^"]*)" "[^"]*" (?P<took>\d+)ms$/ {
  requests[$router][$status]++
  bytes[$router] += $size
  duration[$router] = $took / 1000.0
}
"""


def records(count: int, seed: int) -> list[dict[str, object]]:
    """Return so many requests of 200 a second, made from a seed."""
    rng = random.Random(seed)
    made: list[dict[str, object]] = []
    for number in range(count):
        index = min(int(rng.expovariate(0.3)), len(HOSTS) - 1)
        took = int(rng.lognormvariate(16, 1.2))
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BEGIN + number // 200))
        status = rng.choice(STATUSES)
        server = f"10.0.1.{index + 10}:8080"
        client = f"198.51.100.{number % 250}"
        record: dict[str, object] = {
            "ClientAddr": f"{client}:{30000 + number % 9000}", "ClientHost": client,
            "ClientPort": str(30000 + number % 9000), "ClientUsername": "-",
            "DownstreamContentSize": rng.randrange(90_000), "DownstreamStatus": status,
            "Duration": took + 90_000, "OriginContentSize": 18, "OriginDuration": took,
            "OriginStatus": status, "Overhead": 90_000, "RequestAddr": HOSTS[index],
            "RequestContentSize": 0, "RequestCount": number, "RequestHost": HOSTS[index],
            "RequestMethod": "GET", "RequestPath": f"/shop/item/{number}?ref={number % 77}",
            "RequestPort": "-", "RequestProtocol": "HTTP/2.0", "RequestScheme": "https",
            "RetryAttempts": 0, "RouterName": f"websecure-site{index}@swarm", "ServiceAddr": server,
            "ServiceName": f"site{index}@swarm", "ServiceURL": f"http://{server}",
            "StartLocal": f"{when}.{number % 10**9:09d}Z", "StartUTC": f"{when}.{number % 10**9:09d}Z",
            "entryPointName": "websecure", "level": "info", "msg": "", "time": f"{when}Z",
        }  # fmt: skip
        made.append(record)
    return made


def as_clf(record: dict[str, object]) -> str:
    """Return a record in the common format."""
    parsed = time.strptime(str(record["time"])[:19], "%Y-%m-%dT%H:%M:%S")
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", parsed)
    agent = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0"
    return (
        f'{record["ClientHost"]} - - [{when}] "GET {record["RequestPath"]} HTTP/2.0" '
        f'{record["DownstreamStatus"]} {record["DownstreamContentSize"]} "-" "{agent}" '
        f'{record["RequestCount"]} "{record["RouterName"]}" "{record["ServiceURL"]}" '
        f"{int(str(record['Duration'])) // 10**6}ms\n"
    )


def write_logs(folder: Path, count: int) -> dict[str, Path]:
    """Write the three logs with the same requests; return their paths by figure."""
    paths = {name: folder / f"{name.replace(' ', '-')}.log" for name in FIGURES}
    files = {name: path.open("w", encoding="utf-8") for name, path in paths.items()}
    for start in range(0, count, 50_000):
        for record in records(min(50_000, count - start), start):
            files["json"].write(json.dumps(record, separators=(",", ":")) + "\n")
            short = {key: value for key, value in record.items() if key not in DROPPED}
            files["json ten fields"].write(json.dumps(short, separators=(",", ":")) + "\n")
            files["clf"].write(as_clf(record))
    for file in files.values():
        file.close()
    return paths


OURS = """
import resource, sys
from exporters.cli.traefik import command
command.main(sys.argv[1:], standalone_mode=False)
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("#", used.ru_utime + used.ru_stime, int(peak) / 1024)
"""
Work = Callable[[Path], tuple[int, float, float]]


def ours(path: Path) -> tuple[int, float, float]:
    """Run the exporter over a log; return requests counted, CPU-seconds and peak MiB."""
    command = [sys.executable, "-c", OURS, "serve", "--once", "--log", str(path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env=as_installed(path.parent),
    )
    counted = sum(
        int(n) for n in re.findall(r"^traefik_rate_requests_total\{.*\} (\d+)$", done.stdout, re.MULTILINE)
    )
    _, cpu, memory = done.stdout.strip().rsplit("\n", 1)[-1].split()
    return counted, float(cpu), float(memory)


def mtail(path: Path, folder: Path) -> tuple[int, float, float]:
    """Run mtail over a log; return requests counted, CPU-seconds and peak MiB."""
    program = folder / "requests.mtail"
    program.write_text(MTAIL_CLF if path.name.startswith("clf") else MTAIL_JSON, encoding="utf-8")
    command = [
        "mtail",
        "--one_shot",
        "--one_shot_format=prometheus",
        "--progs",
        str(program),
        "--logs",
        str(path),
    ]
    with (folder / "mtail.out").open("w+") as out, Path(os.devnull).open("w") as quiet:
        process = subprocess.Popen(command, stdout=out, stderr=quiet)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"mtail failed with {process.returncode}")
        out.seek(0)
        counted = sum(int(float(n)) for n in re.findall(r"^requests\{.*\} (\S+)", out.read(), re.MULTILINE))
    return counted, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def steady(seconds: float) -> float:
    """Return the percentage of a core that the exporter takes while 200 requests a second are written."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "access.json"
        lines = [json.dumps(record, separators=(",", ":")) + "\n" for record in records(20_000, 7)]
        command = [
            str(Path(sys.executable).with_name("traefik-exporter")), "serve", "--log", str(log),
            "--listen", "127.0.0.1:0", "--state", str(Path(folder) / "state"), "--log-level", "warning",
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            with log.open("a", encoding="utf-8") as file:
                _write_steadily(file, lines[:400])
                before = _cpu_seconds(process.pid)
                begun = time.perf_counter()
                number = 0
                while time.perf_counter() - begun < seconds:
                    for _ in range(10):
                        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                        file.write(re.sub(r'"time":"[^"]*"', f'"time":"{now}"', lines[number % len(lines)]))
                        number += 1
                    file.flush()
                    time.sleep(max(0.0, begun + number / 200 - time.perf_counter()))
                return (_cpu_seconds(process.pid) - before) / (time.perf_counter() - begun) * 100
        finally:
            process.terminate()
            process.wait()


def _write_steadily(file: TextIO, lines: list[str]) -> None:
    """Write lines, and give the exporter the time to start and read them."""
    file.writelines(lines)
    file.flush()
    time.sleep(3)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(work: Work, path: Path, count: int, peaks: list[float]) -> float:
    """Return lines per CPU-second of one run; every line must have been counted."""
    counted, cpu, memory = work(path)
    if counted != count:
        raise SystemExit(f"{path.name}: {counted} requests counted of {count}")
    peaks.append(memory)
    return count / cpu


def main() -> None:
    bench = Bench(__doc__, rounds=3)
    count = 100_000 if bench.quick else 1_000_000
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_logs(folder, count) if any(map(bench.wants, FIGURES)) else {}
        for figure, path in paths.items():
            bench.compare(
                figure,
                unit="lines per CPU-second, whole process",
                ours=partial(measured, ours, path, count, peaks),
                peer=partial(measured, partial(mtail, folder=folder), path, count, []),
                peer_name="mtail",
                program="mtail",
            )
    if peaks:
        bench.add("peak memory", max(peaks), unit="MiB, reading the above", better="less")
    if bench.wants("steady"):
        bench.add(
            "steady 200 requests/s", steady(15 if bench.quick else 60), unit="% of a core", better="less"
        )
    bench.done()


if __name__ == "__main__":
    main()
