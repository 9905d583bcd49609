"""The demonstration behind ``python -m fastconv demo`` and ``python -m fastconv classify``.

images reads photographs, edges makes edge maps of them, sheet draws the maps on one picture,
classify says what is on a photograph, compare races the engine against fastconv.reference, and
tour runs them one after the other. Pillow, which the rest of fastconv does without, is imported
where it is first needed, and its absence is a MissingPillow that says what to install.
"""
