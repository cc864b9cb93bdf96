"""Files that travel into the sandbox beside a program. They import nothing but the standard library and each
other."""
