"""Files by day: line protocol, CSV or Parquet below a folder."""
