#include "winograd_job.h"

#include "../base/cpu.h"
#include "cost.h"

int64_t fc_winograd_plane(const fc_conv_problem *p, int64_t tiles, int64_t channels) {
    /* one line more, lest n*n planes meet in one set of the caches */
    return tiles * channels + FC_CACHE_LINE / (int64_t)fc_dtype_bytes(p->desc.dtype);
}

static size_t whole_lines(int64_t elements, const fc_conv_problem *p) {
    return (size_t)fc_round_up(elements * (int64_t)fc_dtype_bytes(p->desc.dtype), FC_CACHE_LINE);
}

/* Half cycles that a step of the sums takes for so many tiles and a weight panel. */
static double step_of(const fc_conv_problem *p, int64_t tiles) {
    if (tiles <= 0) return 0;
    const int64_t calls = fc_div_up(tiles, p->kernels->tile_pixels);
    return (double)(calls * fc_max64(2 * fc_div_up(tiles, calls), FC_COST_LATENCY));
}

/* What a thread does for a unit of so many tiles, in half cycles. */
typedef struct unit_cost {
    double values, panel; /* V; the products of a weight panel, and their way to the result */
} unit_cost;

static unit_cost cost_of(const fc_winograd_job *job, int64_t tiles) {
    enum { STREAM = 12 }; /* bytes of weights from the third level in half a cycle */
    const fc_conv_problem *p = job->problem;
    const fc_conv_blocking *b = &p->blocking;
    const int64_t vlen = p->kernels->vlen, products = job->n * job->n;
    const double line = (double)(b->panel * (int64_t)fc_dtype_bytes(p->desc.dtype));
    const double step = step_of(p, tiles);
    const bool far = b->panels * b->panel_bytes > (int64_t)fc_cpu_caches()->l2;
    const double stream = far ? line / STREAM : 0;
    const double more = step > stream ? step : stream, less = step > stream ? stream : step;
    return (unit_cost){
        .values = 4.0 * (double)(tiles * products * fc_div_up(b->icg, vlen)),
        /* one is hidden behind the other, but not wholly */
        .panel = (double)(products * b->icg) * (more + 0.25 * less) + 8.0 * (double)(tiles * products),
    };
}

/* Cuts the batch's tile rows into strips, `least` of them or more, and the weight panels of a unit into
 * parts, for the busiest thread to have least to do. Parts share V, which a region of its own makes. */
static void balance(fc_winograd_job *job, int64_t maps, int64_t cols, int64_t rows, int64_t least,
                    int threads) {
    enum { REGION = 8000 }; /* half cycles, to enter and leave */
    const int64_t panels = job->problem->blocking.panels, wanted = 2 * (int64_t)threads;
    job->strips = least;
    if (threads <= 1 || maps * least >= 4 * wanted) return;
    double shortest = 0;
    const int64_t finest = fc_min64(rows, least + fc_div_up(wanted, maps));
    for (int64_t strips = least; strips <= finest; strips++) {
        const int64_t units = maps * strips;
        const unit_cost cost = cost_of(job, cols * fc_div_up(rows, strips));
        /* twice as many tasks as are wanted are enough to be even */
        const int64_t enough = fc_min64(wanted, fc_div_up(2 * wanted, units));
        const int64_t most = units < wanted ? fc_min64(panels, enough) : 1;
        for (int64_t parts = 1; parts <= most; parts++) {
            const double tasks = (double)fc_div_up(units * parts, threads);
            const double part = cost.panel * (double)fc_div_up(panels, parts);
            const double task = part + (parts == 1 ? cost.values : 0);
            double time = (tasks + 0.15) * task; /* a part of one is waited for */
            if (parts > 1) time += 1.5 * (double)units * cost.values / threads + REGION;
            if ((strips > least || parts > 1) && time >= shortest) continue;
            shortest = time;
            job->strips = strips;
            job->parts = parts;
        }
    }
}

fc_winograd_job fc_winograd_frame(const fc_conv_problem *p, int m, int64_t most) {
    const fc_conv2d_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), n = m + d->kh - 1;
    fc_winograd_job job = {
        .problem = p,
        .m = m,
        .n = (int)n,
        .tile_rows = fc_div_up(p->oh, m),
        .tile_cols = fc_div_up(p->ow, m),
        .parts = 1,
        .block = FC_CACHE_LINE / bytes,
        .slots = fc_round_up(n, m),
    };
    job.columns = fc_div_up(job.tile_cols, most);
    const int64_t zeros = ((d->iw - 1) * d->src_stride[3] + p->blocking.icg) * bytes;
    job.in_place = d->border == FC_BORDER_ZEROS && d->src_stride[1] == 1 && d->src_stride[3] >= 0 &&
                   zeros <= (int64_t)fc_cpu_caches()->l2 / 4;
    job.rows_follow = job.columns == 1 && d->border == FC_BORDER_ZEROS &&
                      d->src_stride[2] == d->iw * d->src_stride[3];
    const int64_t cols = fc_div_up(job.tile_cols, job.columns), rows = d->n * job.tile_rows;
    job.strips = fc_div_up(rows, fc_max64(1, most / cols));
    job.units = d->groups * job.columns * job.strips;
    job.strip_bytes = whole_lines(job.in_place ? zeros / bytes
                                               : job.slots * (cols * m + d->kw - 1) * job.block, p);
    return job;
}

fc_winograd_job fc_winograd_cut(const fc_conv_problem *p, int m, int threads) {
    const fc_conv2d_desc *d = &p->desc;
    const fc_conv_blocking *b = &p->blocking;
    const int64_t bytes = (int64_t)fc_dtype_bytes(d->dtype), n = m + d->kh - 1;
    /* As many tiles as the second-level cache has room for, but four register tiles at the least, and up
     * to eight in four times the room: deep layers then read V from the third level, and their weights,
     * which outweigh it, less often. */
    const int64_t l2 = (int64_t)fc_cpu_caches()->l2, least = 4 * p->kernels->tile_pixels;
    const int64_t tile_bytes = n * n * (b->icg + b->panel) * bytes;
    const int64_t most = fc_max64(fc_max64(least, l2 / 8 * 5 / tile_bytes),
                                  fc_min64(2 * least, 4 * l2 / tile_bytes));
    fc_winograd_job job = fc_winograd_frame(p, m, most);
    job.straight = fc_conv_tiles_fit_dst(p) && d->activation <= FC_ACT_RELU;
    const int64_t cols = fc_div_up(job.tile_cols, job.columns), rows = d->n * job.tile_rows;
    const int64_t maps = d->groups * job.columns;
    balance(&job, maps, cols, rows, job.strips, threads);
    job.units = maps * job.strips;
    if (job.in_place && job.parts == 1) job.block = b->icg;

    const int64_t tiles = cols * fc_div_up(rows, job.strips);
    job.values_bytes = whole_lines(n * n * fc_winograd_plane(p, tiles, b->icg), p);
    job.products_bytes = whole_lines(n * n * fc_winograd_plane(p, tiles, b->panel), p);
    job.pixels_bytes = whole_lines(m * cols * m * b->panel, p);
    job.worker_bytes = job.strip_bytes + job.products_bytes + job.pixels_bytes;
    return job;
}

/* How many of the batch's first `rows` tile rows are cut short. */
static int64_t short_rows(const fc_winograd_job *job, int64_t rows) {
    return job->problem->oh % job->m ? rows / job->tile_rows : 0;
}

fc_winograd_unit fc_winograd_unit_at(const fc_winograd_job *job, int64_t index) {
    const fc_conv_problem *p = job->problem;
    const int64_t map = index / job->strips;
    fc_winograd_unit unit = {.group = map / job->columns};
    int64_t end;
    fc_split(job->tile_cols, job->columns, map % job->columns, &unit.col, &end);
    unit.cols = end - unit.col;
    unit.pixels = fc_min64(unit.cols * job->m, p->ow - unit.col * job->m);
    unit.whole_cols = unit.pixels / job->m;
    fc_split(p->desc.n * job->tile_rows, job->strips, index % job->strips, &unit.row, &end);
    unit.rows = end - unit.row;
    unit.whole_rows = unit.rows - short_rows(job, end) + short_rows(job, unit.row);
    unit.tiles = unit.rows * unit.cols;
    const int64_t upper = unit.whole_rows * unit.whole_cols;
    const int64_t lower = (unit.rows - unit.whole_rows) * unit.whole_cols;
    unit.joined = lower && step_of(p, upper) + step_of(p, lower) >=
                               step_of(p, unit.whole_rows * unit.cols + lower);
    return unit;
}

fc_winograd_row fc_winograd_row_at(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t row) {
    const fc_conv_problem *p = job->problem;
    const int64_t at = unit->row + row, cols = unit->cols, whole = unit->whole_cols;
    fc_winograd_row r = {.image = at / job->tile_rows, .y = at % job->tile_rows * job->m};
    r.pixels = fc_min64(job->m, p->oh - r.y);
    const int64_t others = short_rows(job, at) - short_rows(job, unit->row); /* before it */
    const int64_t rank = r.pixels < job->m ? others : row - others;
    const int64_t block = r.pixels < job->m ? unit->whole_rows * cols : 0;
    const int64_t alike = r.pixels < job->m ? unit->rows - unit->whole_rows : unit->whole_rows;
    r.first = block + (whole ? rank * whole : rank);
    r.last = whole < cols ? block + alike * whole + rank : r.first + cols - 1;
    return r;
}

fc_winograd_runs fc_winograd_runs_of(const fc_winograd_job *job, const fc_winograd_unit *unit, int i,
                                     int j) {
    const fc_conv_problem *p = job->problem;
    const int64_t cols = unit->cols, whole_rows = unit->whole_rows;
    const bool in_rows = whole_rows == unit->rows || fc_winograd_counts(i, job->n, job->m, p->oh % job->m);
    const int64_t rest = unit->pixels % job->m;
    if (!rest || fc_winograd_counts(j, job->n, job->m, rest))
        return (fc_winograd_runs){1, {0}, {in_rows ? unit->tiles : whole_rows * cols}};
    const int64_t block = whole_rows * unit->whole_cols, other = unit->rows - whole_rows;
    fc_winograd_runs runs = {1, {0}, {block}};
    if (!in_rows || !other) return runs;
    runs.first[1] = whole_rows * cols;
    runs.tiles[1] = other * unit->whole_cols;
    if (unit->joined)
        runs.tiles[0] = runs.first[1] + runs.tiles[1];
    else
        runs.count = 2;
    return runs;
}
