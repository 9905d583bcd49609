"""The faults that tools/mutants.py plants: a place of a file each, and what takes its place.

A change of such a place wants its faults brought up to date: the good text has to be there once.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """A fault: one place of one file, and what takes its place. On the tiers of `none_on` it is
    none: a vector of one element has no ragged end, and is no reason to sum along pixels."""

    name: str
    file: str
    good: str
    bad: str
    none_on: tuple[str, ...] = ()

    def planted(self, root: Path) -> str:
        """The text of the file with the fault.

        Raises:
            ValueError: the good text is not there exactly once; the list needs mending.
        """
        text = (root / self.file).read_text(encoding="utf-8")
        if text.count(self.good) != 1:
            raise ValueError(
                f"{self.name}: {self.file} has {text.count(self.good)} times {self.good!r}, "
                f"expected once; bring tools/faults.py up to date"
            )
        return text.replace(self.good, self.bad)


DIRECT, BLOCKED = "csrc/driver/conv_direct.c", "csrc/driver/conv_blocked.c"
DEPTHWISE_ROWS = "csrc/driver/depthwise_rows.c"
DEPTHWISE_LANES = "csrc/driver/depthwise_lanes.c"
DEPTHWISE_CHANNELS = "csrc/driver/depthwise_channels.c"
WINOGRAD = "csrc/driver/conv_winograd.c"
WINOGRAD_VALUES = "csrc/driver/winograd_values.c"
TRANSPOSED_PLANES = "csrc/driver/transposed_planes.c"
TRANSPOSE, BORDER = "csrc/plan/conv_transpose2d.c", "csrc/driver/driver.h"
WEIGHT_GRADIENT, GRADIENT_WINDOWS = "csrc/driver/gradient_tiles.c", "csrc/driver/gradient_windows.c"
WINDOW_DOTS = "csrc/ukr/window_dots.c"
GRADIENT_STRIP = "csrc/driver/gradient_strip.c"
SGD, ADAM, RMSPROP = (f"csrc/ukr/{name}_update.c" for name in ("sgd", "adam", "rmsprop"))
GRADIENT_WINOGRAD = "csrc/driver/gradient_winograd.c"
WINOGRAD_GRADIENT = "csrc/ukr/winograd_gradient.c"
OPTIMIZER = "csrc/driver/optimizer.c"
MUTANTS = [
    Mutant(
        "winograd gradient: a unit that continues begins anew",
        GRADIENT_WINOGRAD,
        "tile.residual = job->first ? NULL : tile.dst;",
        "tile.residual = job->first ? NULL : NULL;",
    ),
    Mutant(
        "winograd gradient: the second run of a unit's tiles begins anew",
        GRADIENT_WINOGRAD,
        "                tile.residual = tile.dst;",
        "                tile.residual = NULL;",
    ),
    Mutant(
        "winograd gradient: the last chain's sums missing",
        GRADIENT_WINOGRAD,
        ".rows = job->chains - 1,",
        ".rows = job->chains - 2,",
    ),
    Mutant(
        "winograd gradient: all chains share one strip",
        GRADIENT_WINOGRAD,
        "job.workers += (size_t)worker * job.strip_bytes;",
        "job.workers += 0 * (size_t)worker * job.strip_bytes;",
    ),
    Mutant(
        "winograd gradient: groups after the first read its gradient",
        GRADIENT_WINOGRAD,
        "(row.image * stride[0] + (job->group * job->ocg + oc) * stride[1] +",
        "(row.image * stride[0] + oc * stride[1] +",
    ),
    Mutant(
        "winograd gradient: units after the first of a row of tiles begin with its pixels",
        GRADIENT_WINOGRAD,
        "row.y * stride[2] + unit->col * M * stride[3]) *",
        "row.y * stride[2]) *",
    ),
    Mutant(
        "winograd gradient: the last of a panel's channels missing",
        GRADIENT_WINOGRAD,
        ".channels = task->channels,",
        ".channels = task->channels - 1,",
    ),
    Mutant(
        "winograd gradient: a second block of panels is summed as the first",
        GRADIENT_WINOGRAD,
        "gradient_task task = {.panel = job->from + index % panels};",
        "gradient_task task = {.panel = index % panels};",
    ),
    Mutant(
        "winograd gradient: an edge tile's last pixel is not its point at infinity",
        WINOGRAD_GRADIENT,
        "between[j][high - 1] = x[high - n + SIDE - 1];",
        "between[j][high - 1] = x[SIDE - 1];",
    ),
    Mutant(
        "winograd gradient: pixels beyond the edge count",
        WINOGRAD_GRADIENT,
        "x[i] = i < a->rows && j < cols",
        "x[i] = i < a->rows",
    ),
    Mutant(
        "winograd gradient: lines of sums after the first overwrite it",
        WINOGRAD_GRADIENT,
        "real *dst = (real *)a->dst + s * r * r * a->count + e;",
        "real *dst = (real *)a->dst + e;",
    ),
    Mutant(
        "weight gradient: a chunk that continues begins anew",
        WEIGHT_GRADIENT,
        ".accumulate = begun,",
        ".accumulate = 0 * begun,",
    ),
    Mutant(
        "weight gradient: the second of two kernel rows is the first",
        WEIGHT_GRADIENT,
        "tile.src_row = to + fc_gradient_tap(p, cut, next % kh, b) - first;",
        "tile.src_row = to + fc_gradient_tap(p, cut, at % kh, b) - first;",
    ),
    Mutant(
        "weight gradient: the last lines of a task left out",
        WEIGHT_GRADIENT,
        "fc_split(job->cut.lines, job->line_parts, task % job->line_parts, &first, &last);",
        "fc_split(job->cut.lines, job->line_parts, task % job->line_parts, &first, &last);\n"
        "    if (job->line_parts > 1) last -= last - first > 1;",
    ),
    Mutant(
        "weight gradient: taps of a phase a stride apart",
        WEIGHT_GRADIENT,
        "tile.src_pixel = every * d->dilation_w / d->stride_w;",
        "tile.src_pixel = every * d->dilation_w;",
    ),
    Mutant(
        "weight gradient: rows in place without the stride",
        GRADIENT_STRIP,
        "cut.row = d->stride_h * d->src_stride[2];",
        "cut.row = d->src_stride[2];",
    ),
    Mutant(
        "weight gradient: rows above the map from its first one",
        GRADIENT_STRIP,
        "const int64_t shown = fc_border_source(d->border, row, d->ih);",
        "const int64_t shown = row < 0 ? 0 : fc_border_source(d->border, row, d->ih);",
    ),
    Mutant(
        "weight gradient: a transposed strip's right border not cleared",
        GRADIENT_STRIP,
        "memset(dst + (i * channel + right) * bytes, 0, (size_t)((w.cols - right) * bytes));",
        "memset(dst + (i * channel + right) * bytes, 0, 0);",
    ),
    Mutant(
        "weight gradient: the sides of a strided pointwise layer change without its stride",
        "csrc/driver/conv_weight_gradient.c",
        "d->diff_dst_stride[axis] = step * was.src_stride[axis];",
        "d->diff_dst_stride[axis] = was.src_stride[axis];",
    ),
    Mutant(
        "weight gradient windows: the second channel of a unit not folded",
        GRADIENT_WINDOWS,
        ".count = fc_min64(job->at_once, job->ocg - first) * each,",
        ".count = each,",
        none_on=("scalar", "sse2", "avx2"),
    ),
    Mutant(
        "weight gradient windows: a chunk's first window as the map's",
        GRADIENT_WINDOWS,
        ".top = d->pad_top - chunk.y * d->stride_h,",
        ".top = d->pad_top - chunk.y,",
        none_on=("scalar",),
    ),
    Mutant(
        "weight gradient windows: every channel against the first of its group",
        GRADIENT_WINDOWS,
        "(group * job->icg + i) * d->src_stride[1])",
        "(group * job->icg + 0 * i) * d->src_stride[1])",
    ),
    Mutant(
        "window_dots: a step that looks at no row, a row too many",
        WINDOW_DOTS,
        "const ptrdiff_t room = a->height + s->top - (fc_min64(k.S, k.R) - 1);",
        "const ptrdiff_t room = a->height + s->top;",
    ),
    Mutant(
        "window_dots: rows of diff go on beyond their run",
        WINDOW_DOTS,
        "if (j - q / k.S < s->begin || j - q / k.S >= s->end) continue;",
        "if (j - q / k.S < s->begin || j - q / k.S > s->end) continue;",
    ),
    Mutant(
        "window_dots: the right border is read",
        WINDOW_DOTS,
        "s->span[b] = window_at(at, fc_min64(a->width, end));",
        "s->span[b] = window_at(at, end);",
    ),
    Mutant(
        "window_dots: kernel rows of a later pass begin where the first do",
        WINDOW_DOTS,
        "strip s = {.top = a->top - first};",
        "strip s = {.top = a->top - 0 * first};",
        none_on=("scalar", "sse2", "avx2"),  # where larger kernels go another way
    ),
    Mutant(
        "fold_lanes: sums behind the last whole vector of them left out",
        "csrc/ukr/fold_lanes.c",
        "r[j] = j < sums ? vec_load(src + (i + j) * VLEN) : vec_zero();",
        "r[j] = sums == VLEN ? vec_load(src + (i + j) * VLEN) : vec_zero();",
        none_on=("scalar",),
    ),
    Mutant(
        "plane_dots: pixels behind the last whole vector left out",
        "csrc/ukr/plane_dots.c",
        "const ptrdiff_t left = a->cols - x;",
        "const ptrdiff_t left = (a->cols - x) / VLEN;",
        none_on=("scalar",),
    ),
    Mutant(
        "border_rows: the last pixel missing",
        "csrc/ukr/border_rows.c",
        "const ptrdiff_t pixels = clamped(a->last - x);",
        "const ptrdiff_t pixels = clamped(a->last - x - 1);",
        none_on=("scalar",),
    ),
    Mutant(
        "bias gradient: images after the first begin anew",
        "csrc/driver/channel_sums.c",
        "            p->kernels->column_sums(&add);\n            add.accumulate = 1;",
        "            p->kernels->column_sums(&add);",
    ),
    Mutant(
        "bias gradient: the first row of channels side by side twice",
        "csrc/ukr/column_sums.c",
        "for (ptrdiff_t r = 0; r < a->rows; r++, src += a->src_row)",
        "for (ptrdiff_t r = 0; r < a->rows; src += r ? a->src_row : 0, r++)",
    ),
    Mutant(
        "phases: planes without a tap filled but for the last row",
        "csrc/plan/conv_transpose2d.c",
        "for (int64_t y = 0; y < p->oh; y++) {\n        char *row",
        "for (int64_t y = 0; y + 1 < p->oh; y++) {\n        char *row",
    ),
    Mutant(
        "tile: bias of the last lane missing",
        "csrc/ukr/conv_tile.c",
        "if (bias) v = vec_add(v, vec_load_n(bias + n, lanes));",
        "if (bias) v = vec_add(v, vec_load_n(bias + n, lanes - 1));",
    ),
    Mutant(
        "phases: the source of each begins a row early",
        "csrc/driver/conv_phases.c",
        "axis.first = r - pad + axis.before * dilation;",
        "axis.first = fc_max64(0, r - pad + axis.before * dilation - 1);",
    ),
    Mutant(
        "window: a tap that meets the map left out",
        "csrc/plan/conv2d.c",
        "(a.out - 1) * a.stride + tap * a.dilation < a.before",
        "(a.out - 1) * a.stride + tap * a.dilation <= a.before",
    ),
    Mutant(
        "window: the first row that it steps on is another",
        "csrc/plan/conv2d.c",
        "a.first += skipped * a.every;",
        "a.first += skipped % 2;",
    ),
    Mutant(
        "window: what it steps over is counted to the end",
        "csrc/plan/conv2d.c",
        "a.in = fc_min64(fc_div_up(a.in - skipped, step), end);",
        "a.in = fc_min64(fc_div_up(a.in, step), end);",
    ),
    Mutant(
        "linear: a sum that continues begins anew",
        "csrc/driver/dot_rows.c",
        "tile.accumulate = k > 0;",
        "tile.accumulate = 0;",
    ),
    Mutant(
        "direct: dilation_h and dilation_w swapped",
        DIRECT,
        "d->dilation_h * cols * b->block,\n                 d->dilation_w * b->block},",
        "d->dilation_w * cols * b->block,\n                 d->dilation_h * b->block},",
    ),
    Mutant(
        "strips: the border on the wrong side",
        "csrc/driver/strip_row.c",
        "shown(d->border, row.y, d->pad_top, d->ih, d->pad_bottom);",
        "shown(d->border, row.y, d->pad_bottom, d->ih, d->pad_top);",
    ),
    Mutant(
        "direct: the last strip skipped",
        DIRECT,
        "fc_parallel_tasks(threads, p->desc.dtype, job.units * job.parts,",
        "fc_parallel_tasks(threads, p->desc.dtype, fc_max64(1, job.units * job.parts - 1),",
    ),
    Mutant(
        "direct: rows of a strip's second chunk from the first",
        DIRECT,
        "const char *from = strip + (size_t)(y * tile.src_row) * bytes;",
        "const char *from = strip;",
    ),
    Mutant(
        "direct: kernel rows left out, their weights not",
        DIRECT,
        "tile.skip[0] = (d->kh - tile.count[1])",
        "tile.skip[0] = 0 * (d->kh - tile.count[1])",
    ),
    Mutant(
        "direct: the second piece of the channels begins anew",
        DIRECT,
        "tile.accumulate = piece > 0;",
        "tile.accumulate = 0;",
    ),
    Mutant(
        "direct: shared strips of the first channels alone",
        DIRECT,
        "pack_block(job, &unit, task % blocks,",
        "pack_block(job, &unit, 0,",
    ),
    Mutant(
        "planar: rows dilated like columns",
        "csrc/driver/conv_planar.c",
        "row = a * d->dilation_h / d->stride_h",
        "row = a * d->dilation_w / d->stride_h",
    ),
    Mutant(
        "planar: rows below the source not cleared",
        "csrc/driver/planar_strip.c",
        "(size_t)((count - end) * pitch_bytes + lead)",
        "(size_t)((count - end - 1) * pitch_bytes + lead)",
    ),
    Mutant(
        "planar: the residual's first row for all",
        "csrc/driver/conv_planar.c",
        "y * stride[2] + x * stride[3], y * p->ow + x};",
        "y * stride[2] + x * stride[3], x};",
    ),
    Mutant(
        "planar: the first row's bias for all but itself",
        "csrc/ukr/plane_tile.c",
        "acc[r * vectors + n] = vec_add(acc[r * vectors + n], vec_set1(bias[r]));",
        "acc[r * vectors + n] = vec_add(acc[r * vectors + n], vec_set1(r > 0 ? bias[0] : 0));",
    ),
    Mutant(
        "1x1: strides swapped",
        "csrc/driver/conv_1x1.c",
        "y * d->stride_h, x * d->stride_w),",
        "y * d->stride_w, x * d->stride_h),",
    ),
    Mutant(
        "1x1: channels last: a later piece of the depth begins anew",
        "csrc/driver/conv_1x1_last.c",
        "tile.accumulate = k > 0;",
        "tile.accumulate = 0;",
        none_on=("avx512",),  # one piece
    ),
    Mutant(
        "1x1: channels last: every image's results go to the first",
        "csrc/driver/conv_1x1_last.c",
        "(image * d->dst_stride[0] + at) * bytes",
        "at * bytes",
    ),
    Mutant(
        "1x1: channels last: the residual of the pixels before",
        "csrc/driver/conv_1x1_last.c",
        "if (tile->residual) tile->residual = (const char *)tile->residual + pixels",
        "if (tile->residual) tile->residual = (const char *)tile->residual + 0",
    ),
    Mutant(
        "conv_tile: a residual in registers of the first pixel",
        "csrc/ukr/conv_tile.c",
        "i / panels % cols * a->dst_pixel + i % panels * VLEN));",
        "i % panels * VLEN));",
    ),
    Mutant(
        "pointwise: the last pixel of a plane missing",
        "csrc/ukr/pixel_tile.c",
        "const ptrdiff_t last = a->pixels - (vectors - 1) * VLEN;",
        "const ptrdiff_t last = a->pixels - (vectors - 1) * VLEN - 1;",
    ),
    Mutant(
        "pointwise: the second piece of a sum begins at zero",
        "csrc/ukr/pixel_tile.c",
        "const real *begin = a->begin ? a->begin : zeros;",
        "const real *begin = zeros;",
        none_on=("avx512",),  # high tiles sum in one piece
    ),
    Mutant(
        "pointwise: the last output channel of longer tiles missing",
        "csrc/driver/conv_pointwise.c",
        "t->tile.rows = (int)fc_min64(job->rows, job->ocg - t->row);",
        "t->tile.rows = (int)fc_min64(job->rows - 1, job->ocg - t->row);",
    ),
    Mutant(
        "pointwise: the last pixels without residual",
        "csrc/ukr/pixel_rest.c",
        "v = vec_add(v, vec_load(other));",
        "v = vec_add(v, vec_zero());",
        none_on=("scalar",),
    ),
    Mutant(
        "pointwise: rows of a strided map follow each other",
        "csrc/driver/pointwise_pixels.c",
        ".src_row = d->stride_h * d->src_stride[2],",
        ".src_row = d->src_stride[2],",
    ),
    Mutant(
        "pointwise: the zeros behind rows copied side by side missing",
        "csrc/ukr/copy_rows.c",
        "left = a->fill - a->rows * a->pixels; left > 0;",
        "left = a->fill - a->rows * a->pixels; left > VLEN;",
        none_on=("scalar",),  # a pixel that no result is of
    ),
    Mutant(
        "linear: the ragged end of the features left out of one output in four",
        "csrc/ukr/dot_tile.c",
        "vec u = vec_load_n(w[o / 3] + o % 3 * weights_row, rest);",
        "vec u = vec_load_n(w[o / 3] + o % 3 * weights_row, o == 3 ? 0 : rest);",
        none_on=("scalar",),
    ),
    Mutant(
        "linear: residual of the first group for all",
        "csrc/driver/dot_rows.c",
        "(const char *)d->residual + (begin * all + output) * bytes;",
        "(const char *)d->residual + (begin * all + first) * bytes;",
    ),
    Mutant(
        "linear: rows of a source that is not dense follow each other",
        "csrc/driver/conv_linear.c",
        ".src_row = d->src_stride[2],",
        ".src_row = d->iw * d->src_stride[3],",
    ),
    Mutant(
        "linear: images beyond the first that are copied have the first ones' residual",
        "csrc/driver/conv_linear.c",
        "(const char *)args->residual + first * d->oc * bytes;",
        "(const char *)args->residual;",
    ),
    Mutant(
        "winograd: a row of tiles keeps one row too many of the last",
        WINOGRAD_VALUES,
        "i && row.y ? job->n - job->m : 0;",
        "i && row.y ? job->n - job->m + 1 : 0;",
    ),
    Mutant(
        "winograd: rows packed together run over the end of the strip",
        WINOGRAD_VALUES,
        "fc_min64(d->ih - source, job->slots - slot_of(job, y))",
        "d->ih - source",
    ),
    Mutant(
        "winograd: rows packed together begin a column too far left",
        WINOGRAD_VALUES,
        "job->rows_follow ? p->desc.pad_left : 0",
        "0",
    ),
    Mutant(
        "winograd: rows read where they lie begin above the border",
        WINOGRAD_VALUES,
        "const int64_t at = y + k - d->pad_top;",
        "const int64_t at = y + k;",
    ),
    Mutant(
        "winograd: the border's row of zeros ends with the first group's channels",
        "csrc/driver/winograd_job.c",
        "((d->iw - 1) * d->src_stride[3] + p->blocking.icg) * bytes;",
        "(d->iw - 1) * d->src_stride[3] * bytes;",
    ),
    Mutant(
        "winograd: pixels finished in dst have the first panel's bias",
        WINOGRAD,
        "(const char *)job->args->bias + panel->oc * bytes;",
        "job->args->bias;",
    ),
    Mutant(
        "winograd: the second vector of channels has the first one's bias",
        "csrc/ukr/winograd_output.c",
        "vec_load((const real *)a->bias + c);",
        "vec_load((const real *)a->bias + 0 * c);",
    ),
    Mutant(
        "winograd: pixels of a tile at the edge have the first one's residual",
        "csrc/ukr/winograd_output.c",
        "j++, at += a->dst_pixel) store_row(a, at, c, y + j, 1);",
        "j++) store_row(a, at + j * a->dst_pixel * !a->residual, c, y + j, 1);",
    ),
    Mutant(
        "tiles finished in dst: of a residual laid out otherwise",
        BLOCKED,
        "residual[2] == dst[2]",
        "residual[2] > 0",
    ),
    Mutant(
        "direct: tiles finished in dst get their bias with every piece of the channels",
        DIRECT,
        "if (job->straight && last == b->blocks) {",
        "if (job->straight) {",
    ),
    Mutant(
        "winograd: the last column of overhanging tiles missing",
        "csrc/driver/winograd_job.c",
        "    unit.whole_cols = unit.pixels / job->m;",
        "    unit.pixels -= unit.pixels % job->m == 1 && unit.cols > 1;\n"
        "    unit.whole_cols = unit.pixels / job->m;",
    ),
    Mutant(
        "winograd: products that rows cut short need left out",
        "csrc/driver/winograd_job.c",
        "    runs.tiles[1] = other * unit->whole_cols;",
        "    runs.tiles[1] = (other - 1) * unit->whole_cols;",
    ),
    Mutant(
        "winograd: the last point left out where an output needs it",
        "csrc/ukr/ukr_products.h",
        "(i == n - 1 && outputs == used - n + m)",
        "(i == n - 1 && outputs == m)",
    ),
    Mutant(
        "winograd: taps transposed",
        WINOGRAD,
        ".tap_row = stride[3],\n        .tap_col = stride[4],",
        ".tap_row = stride[4],\n        .tap_col = stride[3],",
    ),
    Mutant(
        "winograd: all threads share the first unit's values",
        WINOGRAD,
        "(job->parts > 1 ? unit : worker)",
        "(job->parts > 1 ? 0 : worker)",
    ),
    Mutant(
        "winograd: the last channel of a ragged block missing",
        "csrc/ukr/winograd_input.c",
        "vec_store_n(place, y[j], lanes);",
        "vec_store_n(place, y[j], lanes - 1);",
        none_on=("scalar",),
    ),
    Mutant(
        "winograd: scratch for the first phase of a dilated window alone",
        WINOGRAD,
        "if (bytes > most) most = bytes;",
        "if (i == 0) most = bytes;",
    ),
    Mutant(
        "im2col: rows dilated like columns",
        "csrc/driver/conv_im2col.c",
        "y0 + r * d->dilation_h",
        "y0 + r * d->dilation_w",
    ),
    Mutant(
        "store: the first image's residual for all",
        BLOCKED,
        "(n * d->residual_stride[0] + panel->oc * d->residual_stride[1] +",
        "(panel->oc * d->residual_stride[1] +",
    ),
    Mutant(
        "store: the first panel's bias for all",
        BLOCKED,
        "(const char *)args->bias + (size_t)panel->oc * bytes",
        "(const char *)args->bias",
    ),
    Mutant(
        "unpack: a lone channel's residual is read as planes lie",
        "csrc/ukr/unpack_pixels.c",
        "if (a->pixel_stride != 1 || (a->residual && a->residual_pixel != 1)) {",
        "if (a->pixel_stride != 1) {",
    ),
    Mutant(
        "widths: tiles that leave gaps",
        "csrc/base/status.h",
        "*begin = index * base + fc_min64(index, extra);",
        "*begin = index * base;",
    ),
    Mutant(
        "weights: packed once, stale for ever after",
        "csrc/plan/conv2d.c",
        "        pack(plan, args->weights, scratch, threads);",
        "        static int packings;\n"
        "        if (packings++ % 2 == 0) pack(plan, args->weights, scratch, threads);",
    ),
    Mutant(
        "weights: kernel rows and columns swapped",
        "csrc/ukr/pack_weights.c",
        "i < a->kh; i++, row += a->tap_row) {",
        "i < a->kh; i++, row += a->tap_col) {",
    ),
    Mutant(
        "border: reflect repeats the edge", BORDER, "return i < 0 ? -i :", "return i < 0 ? ~i :"
    ),
    Mutant("border: circular off by one", BORDER, "i < 0 ? i + size :", "i < 0 ? i + size - 1 :"),
    Mutant(
        "depthwise: border above as at the left",
        DEPTHWISE_ROWS,
        "begin = fc_min64(rows, fc_max64(0, d->pad_top - first));",
        "begin = fc_min64(rows, fc_max64(0, d->pad_left - first));",
    ),
    Mutant(
        "depthwise: all filters of a channel are its first",
        "csrc/ukr/conv_plane.c",
        "o++, c.weights += a->kh * a->kw)",
        "o++, c.weights += o % a->multiplier == 0 ? a->multiplier * a->kh * a->kw : 0)",
    ),
    Mutant(
        "depthwise: no bias",
        "csrc/ukr/conv_plane.c",
        "vec_max(least, vec_add(acc[r * k.V + v], bias))",
        "vec_max(least, acc[r * k.V + v])",
    ),
    Mutant(
        "depthwise: lanes: the second row of a block is its first",
        "csrc/ukr/conv_lanes.c",
        "vec_load(p + r * row + c * VLEN)",
        "vec_load(p + c * VLEN)",
    ),
    Mutant(
        "depthwise: channels: what a block has too many of is stored",
        "csrc/ukr/conv_channels.c",
        "if (i < n) vec_store(dst,",
        "vec_store(dst,",
    ),
    Mutant(
        "depthwise: channels: the last vector begins where the one before ends",
        DEPTHWISE_LANES,
        "return fc_max64(0, fc_min64(vector * vlen, p->desc.groups - vlen));",
        "return vector * vlen;",
        none_on=("scalar",),
    ),
    Mutant(
        "depthwise: channels: a later strip begins at the top",
        DEPTHWISE_CHANNELS,
        ".table_y = y * d->stride_h - d->pad_top,",
        ".table_y = -d->pad_top,",
    ),
    Mutant(
        "depthwise: channels: the second chunk of a copied tile is the first",
        DEPTHWISE_CHANNELS,
        "copy_tile(job, &r, src + channel * bytes,",
        "copy_tile(job, &r, src,",
    ),
    Mutant(
        "depthwise: lanes: border above as at the left",
        DEPTHWISE_LANES,
        "((d->pad_top + y) * job.pitch + d->pad_left + x) * vlen;",
        "((d->pad_left + y) * job.pitch + d->pad_left + x) * vlen;",
    ),
    Mutant(
        "depthwise: lanes: all vectors of channels have the first one's weights",
        DEPTHWISE_LANES,
        "(const char *)job->args->packed + vector * d->kh * d->kw * vlen * bytes;",
        "(const char *)job->args->packed;",
    ),
    Mutant(
        "depthwise: both rows of a pair are the first",
        "csrc/ukr/conv_plane_pairs.h",
        "(BY_DTYPE(int32_t, int64_t))(VLEN + at);",
        "(BY_DTYPE(int32_t, int64_t))at;",
        none_on=("scalar", "sse2", "avx2"),
    ),
    Mutant(
        "depthwise: an odd last row of pairs is left out",
        "csrc/ukr/conv_plane_pairs.h",
        "fc_min64(y + 2 * p, a->rows - 2)",
        "fc_min64(y + 2 * p, (a->rows - 2) / 2 * 2)",
        none_on=("scalar", "sse2", "avx2"),
    ),
    Mutant(
        "planar: a block's left border keeps what was there",
        "csrc/driver/planar_strip.c",
        "memset(phase, 0, (size_t)(before * bytes));",
        "memset(phase, 0, (size_t)(before / 2 * bytes));",
    ),
    Mutant(
        "planar: the end of the last row above the source keeps what was there",
        "csrc/driver/planar_strip.c",
        "(size_t)(above * pitch_bytes + lead)",
        "(size_t)(above * pitch_bytes)",
    ),
    Mutant(
        "planar: no zeros between rows for what a tap reads on the left",
        "csrc/driver/conv_planar.c",
        "count - fc_min64(0, column)",
        "count",
    ),
    Mutant(
        "planar: the second tile of a call with the first one's bias",
        "csrc/ukr/plane_tile.c",
        "const real *bias = (const real *)a->bias + first;",
        "const real *bias = (const real *)a->bias;",
    ),
    Mutant(
        "phases: the last columns of a square forgotten",
        "csrc/ukr/split_phases.c",
        "split_columns(rest, dst + x, step, phase, count);",
        "split_columns(rest, dst + x, step, phase, count - 1);",
        none_on=("scalar",),
    ),
    Mutant(
        "phases: an odd row loses its last element",
        "csrc/ukr/split_phases.c",
        "vec_store_n(dst + x / 2, even, (left + 1) / 2);",
        "vec_store_n(dst + x / 2, even, left / 2);",
    ),
    Mutant(
        "transposed: a phase that forgets the padding",
        "csrc/driver/transposed_axis.c",
        "(r + pad - tap * dilation) / stride - (axis",
        "(r - tap * dilation) / stride - (axis",
    ),
    Mutant(
        "transposed planes: rows outside the image left as an earlier strip had them",
        TRANSPOSED_PLANES,
        "if (job->strips > 1) {",
        "if (job->strips > 1 && y < 0) {",
    ),
    Mutant(
        "transposed planes: the first row of a phase is that of the first phase",
        TRANSPOSED_PLANES,
        "axis->taps ? axis->offset - job->above : 0;",
        "0;",
    ),
    Mutant(
        "transposed planes: every phase has the first one's weights",
        TRANSPOSED_PLANES,
        "before += axis->taps * (count[0] + count[1]);",
        "before += 0;",
    ),
    Mutant(
        "transposed planes: a later strip begins at the top",
        TRANSPOSED_PLANES,
        "(axis->first + j * d->stride_h) * d->dst_stride[2]",
        "axis->first * d->dst_stride[2]",
    ),
    Mutant(
        "transposed plane: a row that is no whole block is left out",
        "csrc/ukr/transposed_plane.c",
        "y = y + 2 * R <= end ? y + R : end - R;",
        "if (y + 2 * R > end) return;\n        y += R;",
    ),
    Mutant(
        "transposed plane: the last column of an odd row lost",
        "csrc/ukr/transposed_plane.c",
        "vec_store_n(dst, low, lanes < VLEN ? lanes : VLEN);",
        "vec_store_n(dst, low, lanes < VLEN ? lanes / 2 * 2 : VLEN);",
        none_on=("scalar",),
    ),
    Mutant(
        "transposed plane: the odd columns' weights begin too late or too early",
        "csrc/ukr/transposed_plane.c",
        "w[q][b] = vec_set1(weights[q * k.taps[0] + b]);",
        "w[q][b] = vec_set1(weights[q * k.taps[1] + b]);",
    ),
    Mutant(
        "weights: a column's last elements are those of a whole vector",
        "csrc/ukr/pack_weights.c",
        "for (; n < lanes; n++) dst[n] = src[n * row];",
        "for (; n + 1 < lanes; n++) dst[n] = src[n * row];",
    ),
    Mutant(
        "transposed: phases without a tap left as they were",
        TRANSPOSE,
        "if (!p->complete) fill_bias(p, args, scratch, threads);",
        "if (!p->complete && p->count == 0) fill_bias(p, args, scratch, threads);",
    ),
    Mutant(
        "average: padding never counted",
        "csrc/driver/pool_taps.h",
        "if (d->count_include_pad) return fc_min64(start + taps, size + border) - start;",
        "if (d->count_include_pad) return fc_min64(start + taps, size) - fc_max64(start, 0);",
    ),
    Mutant(
        "pool: the last row of a tall window missing",
        "csrc/ukr/pool_rows.c",
        "for (ptrdiff_t r = 1; r < w->count; r++)",
        "for (ptrdiff_t r = 1; r < w->count - (w->count > 3); r++)",
    ),
    Mutant(
        "pool: the last column of a window missing",
        "csrc/ukr/pool_columns.c",
        "for (ptrdiff_t t = 1; t < taps; t++) v = pool_step(v, vec_load(src + t * tap_step)",
        "for (ptrdiff_t t = 2; t < taps; t++) v = pool_step(v, vec_load(src + t * tap_step)",
    ),
    Mutant(
        "pool: the last of three columns missing",
        "csrc/ukr/pool_plane.c",
        "if (s.taps == 3) v = pool_step(v, odd, s.kind);",
        "if (s.taps == 4) v = pool_step(v, odd, s.kind);",
    ),
    Mutant(
        "channels last: a window's columns from the border on",
        "csrc/driver/pool_channels.c",
        "job->column[x].first = start + begin * d->dilation_w;",
        "job->column[x].first = start + begin;",
    ),
    Mutant(
        "channels last: a tile reads the columns of the first",
        "csrc/driver/pool_channels.c",
        "job->tile_cols[i].first = high ? low : 0;",
        "job->tile_cols[i].first = 0;",
    ),
    Mutant(
        "channels last: a tall window's sums lie beside the last but one",
        "csrc/driver/pool_channels.c",
        "        sum = -sum;\n",
        "",
    ),
    Mutant(
        "channels last: pixels of dst side by side, whatever lies between",
        "csrc/driver/pool_channels.c",
        "pitch = job->dst_stride[3];",
        "pitch = d->c;",
    ),
    Mutant(
        "channels last: the divisors of a strip's first line",
        "csrc/driver/pool_channels.c",
        "        if (rows != counted) fill",
        "        if (y == y0) fill",
    ),
    Mutant(
        "indices: the last of equal maxima",
        "csrc/driver/pool_indices.c",
        "v > best || v != v",
        "v >= best || v != v",
    ),
    Mutant(
        "indices by lines: the number of a maximum one tap late",
        "csrc/ukr/pool_indices.c",
        "where = vec_where_greatest(v, best, vec_set1(here[t]), where);",
        "where = vec_where_greatest(v, best, vec_set1(here[t ? t - 1 : t]), where);",
    ),
    Mutant(
        "indices by lines: a window of -Inf says a tap in the border",
        "csrc/driver/index_rows.c",
        "set_number(p, job->start, x, begin * d->dilation_w);",
        "set_number(p, job->start, x, 0 * begin);",
    ),
    Mutant(
        "indices by lines: rows of taps missing behind a border",
        "csrc/driver/index_rows.c",
        "(row + d->pad_top) % d->stride_h, 0, d->kh",
        "row % d->stride_h, 0, d->kh",
    ),
    Mutant(
        "indices by lines: a NaN is passed over",
        "csrc/ukr/pool_indices.c",
        "best = vec_where_greatest(v, best, v, best);",
        "best = vec_where_gt(v, best, v, best);",
    ),
    Mutant(
        "global average: one pixel too many",
        "csrc/driver/pool_global.c",
        "(double)d->divisor_override : (double)count;",
        "(double)d->divisor_override : (double)count + 1;",
    ),
    Mutant(
        "softmax: the maximum not taken away",
        "csrc/ukr/softmax.c",
        "vec v = vec_exp(vec_sub(vec_load(src + l), most));",
        "vec v = vec_exp(vec_load(src + l));",
    ),
    Mutant(
        "batch norm: a task begins with the first channel",
        "csrc/driver/channelwise.c",
        ".first = first,",
        ".first = 0,",
    ),
    Mutant(
        "lrn: windows cut at the front grow behind",
        "csrc/ukr/lrn.c",
        "ptrdiff_t first = c - a->before, end = first + a->size;",
        "ptrdiff_t first = c - a->before, end = (first < 0 ? 0 : first) + a->size;",
    ),
    Mutant(
        "relu gradient: 1 at negative numbers",
        "csrc/ukr/activate_gradient.c",
        "return vec_where_gt(vec_set1(TINY), v, zero, g);",
        "return vec_where_gt(vec_set1(TINY), v, g, g);",
    ),
    Mutant(
        "gelu gradient: the density forgotten",
        "csrc/ukr/activate_gradient.c",
        "vec_mul(g, vec_fma(vec_mul(x, vec_set1(DENSITY)), power, below))",
        "vec_mul(g, below)",
    ),
    Mutant(
        "moments: lanes past the end count",
        "csrc/ukr/channel_moments.c",
        "add_terms(vec_load_or(src + i, left, centre),",
        "add_terms(vec_load_n(src + i, left),",
        none_on=("scalar",),
    ),
    Mutant(
        "batch statistics: pieces' means taken for one",
        "csrc/driver/channel_gradient.c",
        "middle * (2 * piece_sum(job, c, i, 0, &n) + (double)n * middle);",
        "middle * (2 * piece_sum(job, c, i, 0, &n));",
    ),
    Mutant(
        "batch statistics: what the mean's rounding loses is lost",
        "csrc/driver/channel_gradient.c",
        "put(job->bias, c, bias - rest * weight * deviation, job->bytes);",
        "put(job->bias, c, bias + 0 * rest, job->bytes);",
    ),
    Mutant(
        "batch norm gradient: the mean of the gradient stays",
        "csrc/driver/channel_gradient.c",
        "put(job->bias, c, -scale * first / elements, job->bytes);",
        "put(job->bias, c, 0 * first / elements, job->bytes);",
    ),
    Mutant(
        "lrn gradient: the window not mirrored",
        "csrc/ukr/lrn_gradient.c",
        "ptrdiff_t end = c + a->before + 1, first = end - a->size;",
        "ptrdiff_t first = c - a->before, end = first + a->size;",
    ),
    Mutant(
        "softmax gradient: the sum not taken away",
        "csrc/ukr/softmax_gradient.c",
        "vec_mul(y, vec_sub(g, sum))",
        "vec_mul(y, g)",
    ),
    Mutant(
        "cross-entropy: ignored targets count in the mean",
        "csrc/driver/cross_entropy.c",
        "if (job->args->indices[i] != d->ignored) total +=",
        "if (job->args->indices[i] < 0) total++;\n        else total +=",
    ),
    Mutant(
        "cross-entropy gradient: the target's own share forgotten",
        "csrc/driver/cross_entropy.c",
        "value_at(job->args->dst, at, job->bytes) - job->loss[first + i],",
        "value_at(job->args->dst, at, job->bytes),",
    ),
    Mutant(
        "unfold: the border on the wrong side",
        "csrc/driver/unfold.c",
        "b * d->dilation_w - d->pad_w;",
        "b * d->dilation_w - d->pad_h;",
    ),
    Mutant(
        "add_scaled: a fresh row is read",
        "csrc/ukr/add_scaled.c",
        "    if (a->fresh)\n",
        "    if (0)\n",
    ),
    Mutant(
        "spread_row: windows of step 1 begin a pixel late",
        "csrc/ukr/spread_row.c",
        "vec_load(line + x + a->pad - b)",
        "vec_load(line + x + a->pad - b - (b > 1))",
    ),
    Mutant(
        "average's gradient: a row that holds something is overwritten",
        "csrc/driver/pool_gradient.c",
        "            if (r < written) {",
        "            if (r + 1 < written) {",
    ),
    Mutant(
        "norm's gradient: zeros pass something on",
        "csrc/driver/pool_gradient.c",
        "norm == 0 ? 0 : get",
        "norm < 0 ? 0 : get",
    ),
    Mutant(
        "max pooling's gradient: the last value counts instead of the sum",
        "csrc/ukr/indexed.c",
        "if (at >= 0) dst[at] += src[i + k];",
        "if (at >= 0) dst[at] = src[i + k];",
    ),
    Mutant(
        "max pooling's gradient: an index behind the plane is taken",
        "csrc/ukr/indexed.c",
        "last = (uint64_t)(a->limit - 1 - a->least);",
        "last = (uint64_t)(a->limit - a->least);",
    ),
    Mutant(
        "pad's gradient: no border behind the row",
        "csrc/driver/pad_gradient.c",
        "for (int64_t i = begin ? 0 : end; i < out;",
        "for (int64_t i = begin ? 0 : end; i < end;",
    ),
    Mutant(
        "pad's gradient: what was cropped keeps what lay there",
        "csrc/driver/pad_gradient.c",
        "if (size > end) memset(dst",
        "if (size < end) memset(dst",
    ),
    Mutant(
        "interpolation's gradient: the lower row gets nothing",
        "csrc/driver/interpolate.c",
        "(lower ? weight_at(&job->rows, 1, r, d->dtype) : 0)",
        "(lower ? 0 * weight_at(&job->rows, 1, r, d->dtype) : 0)",
    ),
    Mutant(
        "bilinear: the pixel before for the pixel behind",
        "csrc/ukr/bilinear_row.c",
        "weight1[i], line[column1[i]]",
        "weight1[i], line[column0[i]]",
    ),
    Mutant(
        "optimiser: the first momentum dampened",
        SGD,
        "vec b = g;",
        "vec b = vec_mul(c.gain, g);",
    ),
    Mutant(
        "optimiser: Nesterov's momentum an ordinary one",
        SGD,
        "nesterov ? vec_fma(c.momentum, b, g) : b",
        "nesterov ? b : b",
    ),
    Mutant(
        "optimiser: SGD leaves out the last elements",
        SGD,
        "if (i < args.count) step(",
        "if (i > args.count) step(",
        none_on=("scalar",),
    ),
    Mutant(
        "optimiser: Adam's epsilon within the correction",
        ADAM,
        "vec_add(vec_div(vec_sqrt(v), c.root), c.epsilon)",
        "vec_div(vec_add(vec_sqrt(v), c.epsilon), c.root)",
    ),
    Mutant(
        "optimiser: amsgrad forgets the greatest",
        ADAM,
        "store_part(a->greatest, i, n, v);",
        "",
    ),
    Mutant(
        "optimiser: AdamW without its decay",
        ADAM,
        "w = vec_mul(c.keep, w);",
        "w = vec_add(vec_zero(), w);",
    ),
    Mutant(
        "optimiser: Adam leaves out the last elements",
        ADAM,
        "if (i < args.count) step(",
        "if (i > args.count) step(",
        none_on=("scalar",),
    ),
    Mutant(
        "optimiser: Adam's correction is that of the next step",
        OPTIMIZER,
        "(1 - pow(d->beta1, step))",
        "(1 - pow(d->beta1, step + 1))",
    ),
    Mutant(
        "optimiser: a centered RMSprop is none",
        RMSPROP,
        "vec_fma(vec_sub(vec_zero(), m), m, v)",
        "v",
    ),
    Mutant(
        "optimiser: a variance below 0",
        RMSPROP,
        "v = vec_max(vec_zero(), vec_fma(vec_sub(vec_zero(), m), m, v));",
        "v = vec_fma(vec_sub(vec_zero(), m), m, v);",
    ),
    Mutant(
        "optimiser: RMSprop's momentum forgets",
        RMSPROP,
        "store_part(a->buffer, i, n, d);",
        "",
    ),
    Mutant(
        "optimiser: a piece begins with its parameter",
        OPTIMIZER,
        "begin = fc_max64(from - start, 0)",
        "begin = fc_max64(0 * from - start, 0)",
    ),
    Mutant(
        "optimiser: norms of the last run alone",
        "csrc/ukr/gradient_norm.c",
        "sum += (double)sum_squares(",
        "sum = (double)sum_squares(",
    ),
    Mutant(
        "optimiser: a NaN is not the greatest",
        "csrc/ukr/gradient_norm.c",
        "            most[k] = vec_greatest(",
        "            most[k] = vec_max(",
    ),
    Mutant(
        "optimiser: gradients clamped from above alone",
        "csrc/ukr/gradient_limit.c",
        "vec_max(vec_sub(vec_zero(), value), x)",
        "x",
    ),
    Mutant(
        "gelu: both tails are the left one",
        "csrc/simd/vec_math.h",
        "vec_where_gt(x, vec_zero(), vec_sub(vec_set1(1), tail), tail)",
        "vec_where_gt(x, vec_zero(), tail, tail)",
    ),
    Mutant(
        "program: repeats do not advance",
        "csrc/plan/program.c",
        "o->offset_bytes + repeat * o->advance_bytes",
        "o->offset_bytes + 0 * repeat * o->advance_bytes",
    ),
    Mutant(
        "program: the first repeat alone is looked at",
        "csrc/plan/program_check.c",
        "fc_mul64(repeats - 1, o->advance_bytes, &way)",
        "fc_mul64(0 * repeats, o->advance_bytes, &way)",
    ),
    Mutant(
        "program: any operation in place",
        "csrc/plan/program_check.c",
        "if (in_place && dst->offset_bytes",
        "if ((in_place || true) && dst->offset_bytes",
    ),
    Mutant(
        "program: a residual in place of the sum is lost",
        "csrc/driver/add.c",
        "if (other == dst) /*",
        "if (other == dst && src == dst) /*",
    ),
    Mutant(
        "program: factors of the first image scale all",
        "csrc/driver/scale.c",
        "(row * d->channels + first) * bytes",
        "(0 * row * d->channels + first) * bytes",
    ),
]
