/* status.c: the words for the engine's enumerations. */
#include "status.h"

const char *fc_status_str(fc_status status) {
    switch (status) {
    case FC_OK: return "success";
    case FC_ERR_INVALID_ARGUMENT: return "a parameter has a value that no operation accepts";
    case FC_ERR_INVALID_SHAPE:
        return "the sizes contradict each other or leave an empty result";
    case FC_ERR_OVERFLOW: return "a size or a byte count does not fit in 63 bits";
    case FC_ERR_VERSION:
        return "the descriptor's struct_size is of another version of the library";
    case FC_ERR_UNSUPPORTED:
        return "the operation is valid, but this build or the forced algorithm does not do it";
    case FC_ERR_OUT_OF_MEMORY: return "out of memory";
    case FC_ERR_UNKNOWN_ISA:
        return "FASTCONV_MAX_ISA names no instruction set of this architecture";
    }
    return "unknown status";
}

const char *fc_isa_name(fc_isa isa) {
    switch (isa) {
    case FC_ISA_SCALAR: return "scalar";
    case FC_ISA_SSE2: return "sse2";
    case FC_ISA_AVX2: return "avx2";
    case FC_ISA_AVX512: return "avx512";
    case FC_ISA_NEON: return "neon";
    }
    return "unknown";
}

const char *fc_algorithm_name(fc_algorithm algorithm) {
    switch (algorithm) {
    case FC_ALGO_AUTO: return "auto";
    case FC_ALGO_DIRECT: return "direct";
    case FC_ALGO_1X1: return "1x1";
    case FC_ALGO_IM2COL: return "im2col";
    case FC_ALGO_DEPTHWISE: return "depthwise";
    case FC_ALGO_GEMM: return "gemm";
    case FC_ALGO_POOL_ROWS: return "pool_rows";
    case FC_ALGO_POOL_GLOBAL: return "pool_global";
    case FC_ALGO_POOL_INDICES: return "pool_indices";
    case FC_ALGO_ELEMENTWISE: return "elementwise";
    case FC_ALGO_SOFTMAX: return "softmax";
    case FC_ALGO_PHASES: return "phases";
    case FC_ALGO_CHANNELWISE: return "channelwise";
    case FC_ALGO_LRN: return "lrn";
    case FC_ALGO_UNPOOL: return "unpool";
    case FC_ALGO_PAD: return "pad";
    case FC_ALGO_UNFOLD: return "unfold";
    case FC_ALGO_FOLD: return "fold";
    case FC_ALGO_NEAREST: return "nearest";
    case FC_ALGO_BILINEAR: return "bilinear";
    case FC_ALGO_PLANAR: return "planar";
    case FC_ALGO_POINTWISE: return "pointwise";
    case FC_ALGO_POOL_CHANNELS: return "pool_channels";
    case FC_ALGO_WINOGRAD_F2: return "winograd_f2";
    case FC_ALGO_WINOGRAD_F4: return "winograd_f4";
    case FC_ALGO_WINOGRAD_F6: return "winograd_f6";
    case FC_ALGO_LINEAR: return "linear";
    case FC_ALGO_GRADIENT_TILES: return "gradient_tiles";
    case FC_ALGO_GRADIENT_DOTS: return "gradient_dots";
    case FC_ALGO_CHANNEL_SUMS: return "channel_sums";
    case FC_ALGO_POOL_GRADIENT: return "pool_gradient";
    case FC_ALGO_MAX_POOL_GRADIENT: return "max_pool_gradient";
    case FC_ALGO_UNPOOL_GRADIENT: return "unpool_gradient";
    case FC_ALGO_PAD_GRADIENT: return "pad_gradient";
    case FC_ALGO_INTERPOLATE_GRADIENT: return "interpolate_gradient";
    case FC_ALGO_GRADIENT_WINDOWS: return "gradient_windows";
    case FC_ALGO_GRADIENT_WINOGRAD: return "gradient_winograd";
    case FC_ALGO_COUNT: break;
    }
    return "unknown";
}
