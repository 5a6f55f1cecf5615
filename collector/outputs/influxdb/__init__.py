"""InfluxDB: ``output`` delivers readings to it, ``setup`` makes its bucket and tokens."""
