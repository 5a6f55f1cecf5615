"""The doctor: looks at everything from the meter to the dashboard, and says what to do.

    finding        what a check says, and how it says that it cannot be done
    case           what the checks look at: the machine, the configuration, the service's status
    web            asking a server, with an end to the patience
    AREA           one module each, in the order of ``examine.AREAS``: the checks
    examine        runs every check at once; none can hang or raise
    redact, bundle a copy of what a bug report needs, without any secret

A check takes a ``Case`` and yields ``Finding``s. Everything outside the configuration's own
folders is reached through ``Case.machine``, so that a test can put a small tree in its place.
"""
