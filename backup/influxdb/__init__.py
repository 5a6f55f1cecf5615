"""Everything that knows InfluxDB, 1 and 2: out of it into a backup, and back.

influxdb_2, influxdb_1   the servers, and what they are asked
kind                     what differs between 1 and 2 for whoever restores
buckets, metastore       buckets and databases: what there is, and what is written of it
shards, shard, unchanged what is new in a shard since the backup before
archive, tsm             the files in which InfluxDB hands it out
sound                    whether the files, the list of buckets and the counts fit together
restore, refill, refill_2, refill_1, fill, recount  buckets filled again, and counted
scratch                  a server of its own, for a rehearsal
stock, layout            a folder that the stock 'influx restore' reads
"""
