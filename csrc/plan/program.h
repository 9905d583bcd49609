/* program.h: the inside of fc_program. */
#ifndef FC_PLAN_PROGRAM_H
#define FC_PLAN_PROGRAM_H

#include "plan.h"

/* Whether all of a description holds; *step: the one at fault, or -1. The description is not NULL. */
fc_status fc_program_check(const fc_program_desc *desc, int64_t *step);

#endif
