"""A house that does not exist, behind a meter that answers like a real one."""
