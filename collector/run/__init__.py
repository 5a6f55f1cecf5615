"""The service: what carries readings from sources into the journal and on to outputs.

service   names become threads, and the threads stop in time
intake    from the sources of a line into the journal, on the grid
delivery  from the journal to an output, at its cursor
selection which readings an output gets, and their names there
newest    of readings the newest of each device
since     where an output begins that is new
health    figures of sources and outputs
control   the socket that answers what the service is asked
replay    readings that were refused, or delivered long ago, once more
checks    what a configuration says beyond its words
"""
