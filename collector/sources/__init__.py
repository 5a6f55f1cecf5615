"""Sources: each module reads one kind of device."""
