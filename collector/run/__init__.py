"""The service: what carries readings from sources into the journal and on to outputs.

wiring    sources, outputs and derivations, made as the configuration says
service   their threads, which stop in time
intake    from the sources of a line into the journal, on the grid
delivery  from the journal to an output, at its cursor
derivation, made_before  from the journal through a derivation back into it, nothing twice
selection which readings an output gets, and their names there
newest    of readings the newest of each device
since     where an output begins that is new
health    figures of sources and outputs
status    the status, made of these figures, and what is wrong (problems)
control   the socket that answers what the service is asked
replay    readings that were refused, or delivered long ago, once more
systemd   how systemd hears that the service is ready, alive or stopping
"""
