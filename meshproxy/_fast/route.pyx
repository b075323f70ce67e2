cimport cython

from .clib.system cimport atomic_add
from .edits cimport HeaderEdits
from .headers cimport RequestView
from .matcher cimport Condition
from .retry cimport policy_of
from .scoreboard cimport Scoreboard

HASHES = {"header": HASH_HEADER, "cookie": HASH_COOKIE, "query": HASH_QUERY,
          "source_ip": HASH_SOURCE_IP}


cdef list arm_edits(items):
    edits = [HeaderEdits(e) if e is not None else None for e in items]
    return edits if any([e is not None for e in edits]) else []


@cython.final
cdef class Route:
    def __cinit__(self, data, Scoreboard scoreboard):
        cdef HashPolicy* policy
        self.name = data["name"]
        self.log_name = self.name.encode()
        self.slot = data["slot"]
        self.virtual_service = data["virtual_service"]
        self.rule = data["rule"]
        self.conditions = [Condition(c) for c in data["conditions"]]
        self.cluster_ids = [cluster for cluster, _ in data["clusters"]]
        self.only_cluster = self.cluster_ids[0] if self.cluster_ids else -1
        self.is_open = not self.conditions
        self.weights = [weight for _, weight in data["clusters"]]
        self.cluster_names = list(data["cluster_names"])
        self.split = Schedule(self.weights) if len(self.weights) > 1 else None
        self.cursor = scoreboard.route_cursor(self.slot)
        self.timeout_us = <uint64_t>data["timeout_ms"] * 1000
        self.fill_actions(data)
        self.names = []
        self.hash_count = 0
        self.hashes_remote = False
        for kind, name in data["hash_policies"][:MAX_HASH_POLICIES]:
            encoded = name.encode()
            self.names.append(encoded)
            policy = &self.hash_policies[self.hash_count]
            policy.kind = HASHES[kind]
            policy.name = encoded
            policy.name_len = len(encoded)
            self.hash_count += 1
            self.hashes_remote |= kind == "source_ip" or encoded in self.cookies

    cdef int fill_actions(self, data) except -1:
        redirect = data.get("redirect")
        direct = data.get("direct_response")
        rewrite = data.get("rewrite")
        fault = data.get("fault")
        cors = data.get("cors")
        self.redirect = Redirect(redirect) if redirect is not None else None
        self.is_direct = direct is not None
        self.direct_status = direct["status"] if direct is not None else 0
        self.direct_body = direct["body"] if direct is not None else b""
        self.rewrite = Rewrite(rewrite) if rewrite is not None else None
        self.fault = Fault(fault) if fault is not None else None
        self.cors = Cors(cors) if cors is not None else None
        self.upgrades = data.get("upgrades", True)
        retry = data.get("retry")
        self.retry = None
        if retry is not None and retry["attempts"] > 0:
            self.retry = policy_of(retry)
        self.mirrors = [(m["cluster"], m["ppm"]) for m in data.get("mirrors", ())
                        if m["cluster"] >= 0 and m["ppm"] > 0]
        self.request_edits = [HeaderEdits(e) for e in data.get("request_edits", ())]
        self.response_edits = [HeaderEdits(e) for e in data.get("response_edits", ())]
        self.arm_request_edits = arm_edits(data.get("arm_request_edits", ()))
        self.arm_response_edits = arm_edits(data.get("arm_response_edits", ()))
        self.arm_authorities = [a.encode() for a in data.get("arm_authorities", ())]
        if not any(self.arm_authorities):
            self.arm_authorities = []
        self.edits_request = bool(self.rewrite is not None or self.request_edits
                                  or self.arm_request_edits or self.arm_authorities)
        self.edits_response = bool(self.response_edits or self.arm_response_edits
                                   or self.cors is not None)
        self.cookies = {c["name"].encode(): c for c in data.get("cookies", ())}
        self.is_plain = not (self.cookies or self.redirect is not None or self.is_direct or self.fault is not None
                             or self.cors is not None or self.mirrors or self.edits_request
                             or self.edits_response)
        return 0

    cdef int first_failing(self, const RequestView* v) except -2:
        cdef int i
        cdef Condition c
        for i in range(len(self.conditions)):
            c = <Condition>self.conditions[i]
            if not c.holds(v):
                return i
        return -1

    cdef int take_arm(self) noexcept:
        if self.split is None:
            return 0
        return self.split.at(atomic_add(&self.cursor.value, 1))

    # What the head of a request needs before it is encoded; None when the arm changes nothing.
    cdef list request_steps(self, int arm):
        if self.arm_request_edits and self.arm_request_edits[arm] is not None:
            return [self.arm_request_edits[arm]] + self.request_edits
        return self.request_edits

    cdef list response_steps(self, int arm):
        if arm >= 0 and self.arm_response_edits and self.arm_response_edits[arm] is not None:
            return [self.arm_response_edits[arm]] + self.response_edits
        return self.response_edits

    cdef bytes authority_of(self, int arm):
        if self.rewrite is not None and self.rewrite.authority:
            return self.rewrite.authority
        return self.arm_authority(arm)

    cdef bytes arm_authority(self, int arm):
        return self.arm_authorities[arm] if self.arm_authorities else b""
