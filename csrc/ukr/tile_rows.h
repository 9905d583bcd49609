/* tile_rows.h: CASE(rows) for each number of rows that a register tile may have, one row to its tier's
 * TILE_PIXELS, for the switch of a kernel whose bodies are instantiated by rows. */
#ifndef FC_UKR_TILE_ROWS_H
#define FC_UKR_TILE_ROWS_H

#define ROWS_TO_4(CASE) CASE(1) CASE(2) CASE(3) CASE(4)
#define ROWS_TO_6(CASE) ROWS_TO_4(CASE) CASE(5) CASE(6)
#define ROWS_TO_12(CASE) ROWS_TO_6(CASE) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)

#if TILE_PIXELS >= 14
#define FC_TILE_ROWS(CASE) ROWS_TO_12(CASE) CASE(13) CASE(14)
#elif TILE_PIXELS >= 12
#define FC_TILE_ROWS(CASE) ROWS_TO_12(CASE)
#elif TILE_PIXELS >= 6
#define FC_TILE_ROWS(CASE) ROWS_TO_6(CASE)
#else
#define FC_TILE_ROWS(CASE) ROWS_TO_4(CASE)
#endif

#endif
