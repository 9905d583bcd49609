/* guarded.h: memory between pages that may not be touched. */
#ifndef FC_TESTS_GUARDED_H
#define FC_TESTS_GUARDED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct guarded {
    unsigned char *map, *data;
    size_t map_bytes, bytes;
} guarded;

/* The block ends at the guard page behind it, or else begins at the one before it. Its bytes, and
 * the slack on the other side, are 0xff: NaN as reals, -1 as integers. */
static inline guarded guarded_new(size_t bytes, bool at_end) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    guarded g = {.map_bytes = inner + 2 * page, .bytes = bytes};
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map, page, PROT_NONE) ||
        mprotect(g.map + page + inner, page, PROT_NONE)) {
        perror("guarded_new");
        exit(2);
    }
    memset(g.map + page, 0xff, inner);
    g.data = g.map + page + (at_end ? inner - bytes : 0);
    return g;
}

/* Whether the slack beside the block is as it was. */
static inline bool guarded_intact(const guarded *g) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (const unsigned char *p = g->map + page; p < g->map + g->map_bytes - page; p++) {
        if (p == g->data) p += g->bytes;
        if (p < g->map + g->map_bytes - page && *p != 0xff) return false;
    }
    return true;
}

static inline void guarded_free(guarded *g) { munmap(g->map, g->map_bytes); }

#endif
