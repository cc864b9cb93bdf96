"""Ladders of bases, from under- to overtrained: built, post-trained, evaluated, planned; every step
resumable, on one directory."""
