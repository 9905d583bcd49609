"""Pictures of trainings and networks, drawn with Pillow: curves, kernels, matrices, digits.

canvas draws lines and text without jagged edges, charts makes curves with axes, bars shows where
time goes, tiles puts small images side by side, panels rows of photographs, maps and arrays with
their numbers, matrix shows which classes are taken for which. Pillow is imported where it is first
needed, and its absence is a MissingPillow that says what to install.
"""
