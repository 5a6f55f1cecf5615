"""Pure helpers for turning what devices and servers say into readings, shared by sources."""
