#include "registry.h"

static fc_kernels table_f32, table_f64;

#ifdef FC_HAVE_SCALAR
#define TIER scalar
#define TAG FC_ISA_SCALAR
#define DTYPE f32
#include "registry_tier.inc"
#undef DTYPE
#define DTYPE f64
#include "registry_tier.inc"
#undef DTYPE
#undef TIER
#undef TAG
#endif
#ifdef FC_HAVE_SSE2
#define TIER sse2
#define TAG FC_ISA_SSE2
#define DTYPE f32
#include "registry_tier.inc"
#undef DTYPE
#define DTYPE f64
#include "registry_tier.inc"
#undef DTYPE
#undef TIER
#undef TAG
#endif
#ifdef FC_HAVE_AVX2
#define TIER avx2
#define TAG FC_ISA_AVX2
#define DTYPE f32
#include "registry_tier.inc"
#undef DTYPE
#define DTYPE f64
#include "registry_tier.inc"
#undef DTYPE
#undef TIER
#undef TAG
#endif
#ifdef FC_HAVE_AVX512
#define TIER avx512
#define TAG FC_ISA_AVX512
#define DTYPE f32
#include "registry_tier.inc"
#undef DTYPE
#define DTYPE f64
#include "registry_tier.inc"
#undef DTYPE
#undef TIER
#undef TAG
#endif
#ifdef FC_HAVE_NEON
#define TIER neon
#define TAG FC_ISA_NEON
#define DTYPE f32
#include "registry_tier.inc"
#undef DTYPE
#define DTYPE f64
#include "registry_tier.inc"
#undef DTYPE
#undef TIER
#undef TAG
#endif

typedef struct tier {
    fc_isa isa;
    void (*enter_f32)(fc_kernels *);
    void (*enter_f64)(fc_kernels *);
} tier;

/* Scalar first: it is complete, whatever a later tier leaves out. */
static const tier tiers[] = {
#ifdef FC_HAVE_SCALAR
    {FC_ISA_SCALAR, fc_enter_f32_scalar, fc_enter_f64_scalar},
#endif
#ifdef FC_HAVE_SSE2
    {FC_ISA_SSE2, fc_enter_f32_sse2, fc_enter_f64_sse2},
#endif
#ifdef FC_HAVE_AVX2
    {FC_ISA_AVX2, fc_enter_f32_avx2, fc_enter_f64_avx2},
#endif
#ifdef FC_HAVE_AVX512
    {FC_ISA_AVX512, fc_enter_f32_avx512, fc_enter_f64_avx512},
#endif
#ifdef FC_HAVE_NEON
    {FC_ISA_NEON, fc_enter_f32_neon, fc_enter_f64_neon},
#endif
};

void fc_registry_fill(fc_isa isa) {
    table_f32.element_bytes = sizeof(float);
    table_f64.element_bytes = sizeof(double);
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers && tiers[i].isa <= isa; i++) {
        tiers[i].enter_f32(&table_f32);
        tiers[i].enter_f64(&table_f64);
    }
}

const fc_kernels *fc_registry_kernels(fc_dtype dtype) {
    return dtype == FC_F64 ? &table_f64 : &table_f32;
}

uint64_t fc_registry_compiled(void) {
    uint64_t mask = 0;
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) mask |= UINT64_C(1) << tiers[i].isa;
    return mask;
}
