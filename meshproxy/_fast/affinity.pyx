from .scoreboard cimport MAX_AFFINITY_SLOTS, AffinityEntry


cdef inline AffinityEntry* set_of(Scoreboard board, uint64_t key) noexcept:
    return board.affinity_entry(<uint32_t>(key % (MAX_AFFINITY_SLOTS // AFFINITY_WAYS)) * AFFINITY_WAYS)


cdef int affinity_find(Scoreboard board, uint64_t key, uint32_t now_s, uint32_t keep_s) noexcept:
    cdef AffinityEntry* entries = set_of(board, key)
    cdef int i
    for i in range(AFFINITY_WAYS):
        if entries[i].key == key and now_s - entries[i].seen_s <= keep_s:
            return <int>entries[i].slot
    return -1


cdef void affinity_keep(Scoreboard board, uint64_t key, uint32_t slot, uint32_t now_s) noexcept:
    cdef AffinityEntry* entries = set_of(board, key)
    cdef AffinityEntry* chosen = &entries[0]
    cdef int i
    for i in range(AFFINITY_WAYS):
        if entries[i].key == key:
            chosen = &entries[i]
            break
        if entries[i].seen_s < chosen.seen_s:  # 0 = never used
            chosen = &entries[i]
    chosen.key = key
    chosen.slot = slot
    chosen.seen_s = now_s
