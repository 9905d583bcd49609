"""The races of fastconv against other engines: layer by layer (benchmarks/race.py), whole networks
(race_networks.py), and training (race_training.py, race_steps.py).

Imports run downwards: race.py → referee → contest, children → engines → work, whole;
worker → engines, whole, timing; report → tables → figures → engines; race_networks.py →
network_report, inference → referee, onnx_graph, ncnn_graph, graph_file → windows. What is in whole
imports nothing but its engine, NumPy, arrays and graph_file.

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

    inference       a row of the race of networks: files for everybody, results, times, processes
    whole/          each engine with a whole network, at its best settings
    first_answer    a fresh process: time and memory until its first answer
    onnx_graph      a graph of the compiler in ONNX
    ncnn_graph      … in ncnn's format
    graph_file      … as JSON and bytes, from which torch's form is made
    windows         pooling as other formats have it
    network_report  docs/networks.md from the rows
    network_bars    docs/networks.png from the rows
    arrays, process  aligned memory; what a process holds
"""
