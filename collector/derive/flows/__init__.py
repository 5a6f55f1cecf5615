"""Where the energy of the house comes from and where it goes, by the roles of its devices.

balance     the balance of one moment or quarter of an hour: house, its origins, its parts
meters      which quantities of a device count as drawn from it and as given by it
energy      the quarters of the ledger, summed over any period
derivation  the door: the power flow of now
"""
