"""The work behind the commands of ``t2rl`` that do not train."""
