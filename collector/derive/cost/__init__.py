"""What energy costs: contracts from ``tariffs.yaml``, quantities from the ledger, bills from both.

tariffs    the contracts and how they are written; notation has the single values
calendar   local days as quarter hours; windows say which line a quarter belongs to
flows      what was used, and the prices of a market, out of the ledger
bill       a bill of days, a month or a year; energy, bank, peaks are parts of it
check      what is wrong with contracts that can all be read
holidays   asks the package of that name in a process of its own, and keeps its dates
"""
