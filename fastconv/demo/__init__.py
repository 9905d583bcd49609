"""The demonstration behind ``python -m fastconv demo`` and ``python -m fastconv classify``.

edges makes edge maps of photographs, sheet draws the maps on one picture, classify says what is on
a photograph, compare races the engine against fastconv.reference, and tour runs them one after the
other, and a short training of fastconv.commands.lenet5. Pillow is imported where it is first
needed, and its absence is a MissingPillow (of fastconv.data.images) that says what to install.
"""
