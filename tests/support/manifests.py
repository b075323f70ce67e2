"""Small manifests for processes on loopback."""

from __future__ import annotations

from pathlib import Path

PROBED_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""


def service(name: str, *ports: int, port: int = 80, labels: str = "", kind: str = "http") -> str:
    """A Service whose pods are servers on 127.0.0.1:`ports`, one EndpointSlice each."""
    documents = [
        f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: {kind}, port: {port}}}]
"""
    ]
    documents += [endpoint_slice(name, index, target, kind) for index, target in enumerate(ports)]
    return "---\n".join(documents)


def service_entry(host: str, port: int, more: str = "resolution: DNS") -> str:
    """A ServiceEntry whose endpoints listen on `port`."""
    return f"""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {host}}}
spec:
  hosts: [{host}]
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {port}}}]
  {more}
"""


def endpoint_slice(name: str, index: int, target: int, kind: str = "http") -> str:
    return f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-{index}
  labels: {{kubernetes.io/service-name: {name}}}
addressType: IPv4
ports: [{{name: {kind}, port: {target}}}]
endpoints:
- addresses: [127.0.0.1]
  conditions: {{ready: true}}
  targetRef: {{kind: Pod, name: {name}-{index}, namespace: default}}
"""


def probed_pod(name: str, port: int) -> str:
    """A Pod of PROBED_SERVICE, on 127.0.0.1:`port`, asked for /ready every second."""
    return f"""\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  containers:
  - name: web
    ports: [{{name: http, containerPort: {port}}}]
    readinessProbe:
      httpGet: {{path: /ready, port: http}}
      periodSeconds: 1
      failureThreshold: 1
      timeoutSeconds: 10  # a machine that is slow to answer fails no probe
status: {{podIP: 127.0.0.1, conditions: [{{type: Ready, status: "True"}}]}}
"""


def write(folder: Path, text: str, name: str = "mesh.yaml") -> Path:
    """Replace a file as editors and ConfigMap mounts do: whole, by rename."""
    fresh = folder / f".{name}.new"
    fresh.write_text(text)
    path = folder / name
    fresh.rename(path)
    return path


def pod(app: str, version: str, target: int) -> str:
    """A Pod that is a server on 127.0.0.1:`target`, of a Service whose targetPort is `web`."""
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {app}-{version}, labels: {{app: {app}, version: {version}}}}}
spec: {{containers: [{{name: {app}, ports: [{{name: web, containerPort: {target}}}]}}]}}
status: {{podIP: 127.0.0.1, conditions: [{{type: Ready, status: "True"}}]}}
"""
