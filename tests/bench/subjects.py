"""The balancers that are compared: one row each in SUBJECTS. All have one worker or thread, write no access log and
choose a backend in the plainest way they know."""
import functools
import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from process import Process

DESCRIPTORS_MAX = 20000  # what a hard limit usually allows; tables that are sized by it count in the base memory


@dataclass
class Subject:
    """`start(bench, port, **variant)` starts a balancer that listens on 127.0.0.1:`port`, and returns its Process. A
    variant: workers=N, or small_buffers=True, for the measurement of memory. `missing` says what isn't installed."""
    name: str
    start: Callable
    missing: Callable = lambda: None


def descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)


# ---- ours ----


def start_floor(bench, port, **_variant):
    return Process(bench, "floor", bench.balancer_core, [bench.bin / "../tests/bench_floor", port, *bench.backend_ports])


def start_wslb(bench, port, workers=1, **_variant):
    config = bench.dir / f"wslb-{port}.ini"
    backends = "".join(f"[backend b{i}]\npool = app\naddress = 127.0.0.1:{p}\n" for i, p in enumerate(bench.backend_ports))
    config.write_text(f"[global]\nworkers = {workers}\nadmin_socket = {bench.dir}/admin.sock\n"
                      f"[listener web]\nbind = 127.0.0.1:{port}\npool = app\n[pool app]\n{backends}")
    return Process(bench, "wslb", bench.balancer_core, [bench.bin / "wslb", "-c", config])


# ---- HAProxy ----


def find_program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def haproxy_missing():
    return None if find_program("haproxy") else "haproxy isn't installed"


def start_haproxy(mode, bench, port, **_variant):
    servers = "".join(f"  server b{i} 127.0.0.1:{p}\n" for i, p in enumerate(bench.backend_ports))
    config = bench.dir / f"haproxy-{port}.cfg"
    config.write_text(f"""global
  nbthread 1
  maxconn {descriptors() // 2 - 100}
defaults
  mode {mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend web
  bind 127.0.0.1:{port}
  default_backend app
backend app
  balance roundrobin
{servers}""")
    return Process(bench, f"haproxy-{mode}", bench.balancer_core, [find_program("haproxy"), "-db", "-f", config])


# ---- nginx ----


@functools.lru_cache
def nginx_options():
    """What it was built with."""
    done = subprocess.run([find_program("nginx"), "-V"], capture_output=True, text=True)
    return done.stderr


def nginx_stream_line():
    """What loads the stream module: '' where it is built in, None where there is none."""
    modules = re.search(r"--modules-path=(\S+)", nginx_options())
    if modules and (module := Path(modules.group(1)) / "ngx_stream_module.so").exists():
        return f"load_module {module};"
    return "" if re.search(r"--with-stream(\s|$)", nginx_options()) else None


def nginx_missing(mode):
    if not find_program("nginx"):
        return "nginx isn't installed"
    if mode == "stream" and nginx_stream_line() is None:
        return "nginx is there without its stream module (libnginx-mod-stream)"
    return None


# Its own directories for bodies and the like, none of which is used, lie elsewhere and are root's.
NGINX_HTTP = """http {{
  access_log off;
  client_body_temp_path {dir}/nginx-body;
  proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-fastcgi;
  uwsgi_temp_path {dir}/nginx-uwsgi;
  scgi_temp_path {dir}/nginx-scgi;
  upstream app {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }}
  }}
}}
"""
NGINX_STREAM = """stream {{
  upstream app {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    proxy_pass app;
    proxy_timeout 1h;
    {buffers}
  }}
}}
"""


def start_nginx(mode, bench, port, small_buffers=False, **_variant):
    text = NGINX_HTTP if mode == "http" else NGINX_STREAM
    servers = " ".join(f"server 127.0.0.1:{p};" for p in bench.backend_ports)
    config = bench.dir / f"nginx-{port}.conf"
    config.write_text("\n".join([
        nginx_stream_line() if mode == "stream" else "",
        "user root root;" if os.geteuid() == 0 else "",  # who else may enter our directory?
        "daemon off;", "worker_processes 1;", "error_log stderr error;", f"pid {bench.dir}/nginx-{port}.pid;",
        f"events {{ worker_connections {descriptors()}; }}",
        text.format(dir=bench.dir, servers=servers, port=port, buffers="proxy_buffer_size 1k;" if small_buffers else "")]))
    return Process(bench, f"nginx-{mode}", bench.balancer_core,
                   [find_program("nginx"), "-e", "stderr", "-p", bench.dir, "-c", config])


SUBJECTS = {s.name: s for s in (
    Subject("floor", start_floor),
    Subject("wslb", start_wslb),
    Subject("haproxy-http", functools.partial(start_haproxy, "http"), haproxy_missing),
    Subject("haproxy-tcp", functools.partial(start_haproxy, "tcp"), haproxy_missing),
    Subject("nginx-http", functools.partial(start_nginx, "http"), functools.partial(nginx_missing, "http")),
    Subject("nginx-stream", functools.partial(start_nginx, "stream"), functools.partial(nginx_missing, "stream")),
)}
