"""The views of the page, made of what the service holds, its journal and its ledger.

span      which time is asked for
now       this second; facts.py of the page has what it takes from the ledger
figures   a device and its figures, for people
sparks    the last ten minutes of each device
known     every device and quantity that there is a history of
history   a quantity over a time: records from the journal, levels from the ledger
energy    flows of energy by period
cost      what energy costs, and bills
health    how the collector is doing
events    what happened
"""
