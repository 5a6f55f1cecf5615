"""Redis and Valkey.

output   the door
server   one connection, and what an error of the server means
streams  the newest values in a hash, the history in a stream
hmap     rows by the second in hashes, as vemonitor writes them
"""
