"""PostgreSQL: ``output`` delivers to it; ``tables`` and ``views`` are what it makes there."""
