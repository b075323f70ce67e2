"""The manifests of the demo: what a user would write for the same pods in a cluster."""

from __future__ import annotations

from textwrap import indent

SERVICE = "web"

# files
SERVICES = "service.yaml"
DESTINATIONS = "destinations.yaml"
ROUTES = "routes.yaml"

_SERVICE = f"""\
apiVersion: v1
kind: Service
metadata: {{name: {SERVICE}}}
spec:
  selector: {{app: {SERVICE}}}
  ports: [{{name: http, port: 80, targetPort: http}}]
"""

_DESTINATION_RULE = f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {SERVICE}}}
spec:
  host: {SERVICE}
%s
  subsets:
  - {{name: v1, labels: {{version: v1}}}}
  - {{name: v2, labels: {{version: v2}}}}
"""

_VIRTUAL_SERVICE = f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {SERVICE}}}
spec:
  hosts: [{SERVICE}]
%s
"""

# what follows goes to the files as it is, and is shown to the user

ROUND_ROBIN = """\
trafficPolicy:
  loadBalancer: {simple: ROUND_ROBIN}"""

BY_USER = """\
trafficPolicy:
  loadBalancer:
    consistentHash: {httpHeaderName: x-user}"""

CANARY = f"""\
http:
- route:
  - {{destination: {{host: {SERVICE}, subset: v1}}, weight: 99}}
  - {{destination: {{host: {SERVICE}, subset: v2}}, weight: 1}}"""

BY_PREFIX = f"""\
http:
- match: [{{uri: {{prefix: /v2}}}}]
  route: [{{destination: {{host: {SERVICE}, subset: v2}}}}]
- route: [{{destination: {{host: {SERVICE}, subset: v1}}}}]"""

BY_COOKIE = rf"""
http:
- match: [{{headers: {{cookie: {{regex: '^(.*?;)?\s*(debug=1)\s*(;.*)?$'}}}}}}]
  route: [{{destination: {{host: {SERVICE}, subset: v2}}}}]
- route: [{{destination: {{host: {SERVICE}, subset: v1}}}}]""".lstrip()


def service() -> str:
    return _SERVICE


def destination_rule(traffic_policy: str) -> str:
    return _DESTINATION_RULE % indent(traffic_policy, "  ")


def virtual_service(http: str) -> str:
    return _VIRTUAL_SERVICE % indent(http, "  ")


def pod(name: str, version: str, port: int) -> str:
    return f"""\
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {SERVICE}, version: {version}}}}}
spec:
  containers:
  - {{name: web, image: web, ports: [{{name: http, containerPort: {port}}}]}}
status:
  podIP: 127.0.0.1
  conditions: [{{type: Ready, status: "True"}}]
"""
