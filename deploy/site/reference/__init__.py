"""Pages that are made from the program itself, at build time; none is committed."""
