"""The ledger: what each device used and showed in each quarter of an hour, for ever.

A small SQLite file. From it come bills, days, months and years, without a database server.
"""
