"""The race of fastconv against other engines, layer by layer; benchmarks/race.py starts it.

Imports run downwards: race.py → referee → contest, children → engines → work;
worker → engines, timing; report → tables → figures → engines.

    work       what is raced: layers, their data, exact results, tolerances, classes
    engines/   each competitor at its best settings
    timing     a block of timed calls
    worker     the process that one engine lives in
    children   starting those processes and talking with them
    referee    one row: who is right, and then who is faster
    store      rows as lines of JSON
    figures    ratios, means, what is compared with what
    tables     Markdown, and how a layer is named in it
    report     docs/benchmarks.md from the rows
    roofline   docs/roofline.png from the rows
"""
