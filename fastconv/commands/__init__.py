"""What ``python -m fastconv`` does with networks: train, evaluate, predict, list, time.

arguments has the command lines of all commands and imports nothing else; lenet5 trains LeNet-5 on
the digits of fastconv.data; train, evaluate and predict print what comes of it; networks makes a
network of a checkpoint; handwriting makes a digit of a photograph. catalogue lists all networks
and their layers; bench times one, also in PyTorch, as torch_twin makes it there.
"""
