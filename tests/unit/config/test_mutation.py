"""A thousand mutated manifests: never a traceback, never a hang, always a verdict that names the
place."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from property.profile import bounded

from meshproxy.config.codes import CODES
from meshproxy.discovery.resolution import Resolution
from meshproxy.snapshot.build import Builder

VALID = """\
apiVersion: v1
kind: Service
metadata: {name: nginx, namespace: shop, labels: {app: nginx}}
spec:
  selector: {app: nginx}
  clusterIP: 10.1.2.3
  ports: [{name: http, port: 80, targetPort: web}, {name: tcp-x, port: 81, targetPort: 81}]
---
apiVersion: v1
kind: Pod
metadata: {name: p1, namespace: shop, labels: {app: nginx, version: v1}}
spec: {containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]}
status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s1, namespace: shop, labels: {kubernetes.io/service-name: other}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: p1}}]
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: w1, namespace: shop}
spec: {address: 10.0.0.9, ports: {http: 9090}, labels: {app: nginx, version: v2}, weight: 3}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: search, namespace: shop}
spec:
  hosts: [search.example.com]
  addresses: [10.7.7.7]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.8, ports: {http: 8080}, labels: {version: v1}, locality: a/b}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: ["*.api.example.com"]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  resolution: DNS
  endpoints: [{address: one.example.com, weight: 2}, {address: "fd00::1"}]
---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: shop}
spec: {type: ExternalName, externalName: ext.example.com, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx, namespace: shop}
spec: {template: {metadata: {labels: {app: nginx, version: v3}}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: nginx, namespace: shop}
spec:
  host: nginx
  trafficPolicy:
    loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 64}}}
    connectionPool: {tcp: {connectTimeout: 1s}, http: {idleTimeout: 30s}}
    portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: nginx, namespace: shop}
spec:
  hosts: [nginx, "*.example.com"]
  gateways: [mesh]
  exportTo: ["*"]
  http:
  - name: a
    match:
    - {uri: {prefix: /a}, headers: {x-a: {exact: b}, x-c: {}}, queryParams: {q: {regex: "a+"}}}
    - {method: {exact: GET}, withoutHeaders: {x-d: {prefix: e}}, port: 80, ignoreUriCase: true}
    route: [{destination: {host: nginx, subset: v1, port: {number: 80}}}]
    timeout: 2s
  - route:
    - {destination: {host: nginx, subset: v1}, weight: 99}
    - {destination: {host: nginx, subset: v2}, weight: 1}
"""

MOST_CPU_S = 5.0  # of the process; the largest of these takes half a second

DOCUMENTS: list[Any] = list(yaml.safe_load_all(VALID))


def spots(value: Any, path: tuple = ()) -> list[tuple]:
    """Every place in a document that can be changed."""
    found = [path] if path else []
    steps = value.items() if isinstance(value, dict) else ()
    steps = enumerate(value) if isinstance(value, list) else steps
    for step, item in steps:
        found += spots(item, (*path, step))
    return found


SPOTS = [(index, path) for index, item in enumerate(DOCUMENTS) for path in spots(item)]

replacements = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30, max_value=10**60),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["", "*", "a" * 100_000, "(", "nginx:80", "1h", "-1", "\x00", "é.b", "a..b", "::1", [], {}]
    ),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=8), st.one_of(st.none(), st.integers()), max_size=3),
)


@st.composite
def mutated(draw) -> list[Any]:
    documents = copy.deepcopy(DOCUMENTS)
    for _ in range(draw(st.integers(1, 3))):
        index, path = draw(st.sampled_from(SPOTS))
        target: Any = documents[index]
        try:
            for step in path[:-1]:
                target = target[step]
            action = draw(st.sampled_from(["replace", "drop", "rename", "add", "nest"]))
            last = path[-1]
            if action == "replace":
                target[last] = draw(replacements)
            elif action == "drop":
                del target[last]
            elif action == "rename" and isinstance(target, dict):
                target[draw(st.text(max_size=12))] = target.pop(last)
            elif action == "add" and isinstance(target, dict):
                target[draw(st.text(max_size=12))] = draw(replacements)
            else:
                for _ in range(draw(st.integers(1, 60))):
                    target[last] = [target[last]]
        except (KeyError, IndexError, TypeError):
            continue
    return documents


def check(text: str, tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("m")
    path = folder / "mesh.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    builder = Builder("shop")
    before = time.process_time()
    problems = builder.load([str(path)])
    answer = Resolution(("10.0.0.1", "fd00::1"), "no server answered")
    problems += builder.resolve(dict.fromkeys(builder.names, answer))[1]
    assert time.process_time() - before < MOST_CPU_S
    for problem in problems:
        assert problem.file == str(path)
        assert problem.line >= 1 or problem.code in ("MP002", "MP402", "MP403")
        assert problem.code in CODES
        assert problem.message.isprintable(), problem.message
        assert len(str(problem)) < 2000
        assert "\n" not in str(problem)
        json.dumps(problem.as_dict())
    lines = text.count("\n") + 1
    assert all(problem.line <= lines + 1 for problem in problems)
    lost = len(DOCUMENTS) - len(builder.config.resources)
    if lost > 0:
        named = [problem for problem in problems if problem.severity == "error"]
        assert named or any(problem.code in ("MP106", "MP107") for problem in problems)
    return problems


def test_valid_manifests_have_no_error(tmp_path_factory):
    problems = check(VALID, tmp_path_factory)
    assert [problem for problem in problems if problem.severity == "error"] == []


@bounded(400)
@given(documents=mutated())
def test_mutated_values_always_get_a_placed_verdict(documents, tmp_path_factory):
    check(yaml.safe_dump_all(documents, allow_unicode=True), tmp_path_factory)


BOMB = "@bomb@"
CONDITIONS = (1, ("status", "conditions"))  # of a Pod, where unknown fields are warnings
PORT_NAME_OF_ENTRY = (4, ("spec", "ports", 0, "name"))  # told to the endpoints that lack it
LAUGHS = "{a: &a [x, x, x]" + "".join(
    f", {name}: &{name} [{', '.join([f'*{before}'] * 9)}]"
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True)
) + "}"  # fmt: skip
MANY_ITEMS = "[" + "{uri: {regex: (}}, " * 3000 + "]"
BOMBS = [
    LAUGHS,
    "{a: &a [" + "x, " * 3000 + "x], b: [" + "*a, " * 3000 + "*a]}",
    *("&a [*a]", "&a {b: *a}", "*never", "{<<: *never}", "{<<: [1]}"),
    *("{<<: &a {b: 1}, <<: *a}", "!!python/object/apply:os.getpid []", "!!binary AAAA"),
    *("!!set {a, b}", "!x y", '"\\0"', '"\\ud800"', "2001-01-01", "1:30:00", ".nan", ".inf"),
    *("[" * n + "]" * n for n in (40, 90, 99, 101, 5000)),
    *("{a: " * n + "x" + "}" * n for n in (40, 99, 101, 5000)),
    *("[" * n for n in (1, 101, 5000)),
    *("x" * n for n in (1000, 10**6)),
    *("9" * n for n in (400, 10**5)),
    *("{? " + "k" * n + " : v}" for n in (1000, 10**5)),
    "{" + ", ".join(f"k{i}: {{prefix: /{i}}}" for i in range(3000)) + "}",
    MANY_ITEMS,
]


@bounded(300)
@example(spot=PORT_NAME_OF_ENTRY, kind=BOMBS.index("x" * 10**6), is_key=False)
@example(spot=CONDITIONS, kind=BOMBS.index(MANY_ITEMS), is_key=False)
@given(spot=st.sampled_from(SPOTS), kind=st.integers(0, len(BOMBS) - 1), is_key=st.booleans())
def test_bomb_in_place_of_any_value_always_gets_a_placed_verdict(
    spot, kind, is_key, tmp_path_factory
):
    index, path = spot
    documents = copy.deepcopy(DOCUMENTS)
    target: Any = documents[index]
    for step in path[:-1]:
        target = target[step]
    if is_key and isinstance(target, dict):
        target[BOMB] = target.pop(path[-1])
    else:
        target[path[-1]] = BOMB
    text = yaml.safe_dump_all(documents, allow_unicode=True)
    check(text.replace(f"'{BOMB}'", BOMBS[kind]), tmp_path_factory)


@bounded(300)
@given(data=st.data())
def test_mutated_text_always_gets_a_placed_verdict(data, tmp_path_factory):
    text = VALID
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        junk = data.draw(
            st.one_of(
                st.text(max_size=6),
                st.sampled_from(
                    ["&a ", "*a", "<<: *a", "---\n", "\t", "[", "{", "!x ", "%Y\n", "'"]
                ),
            )
        )
        text = text[:at] + junk + text[at + cut :]
    check(text, tmp_path_factory)
