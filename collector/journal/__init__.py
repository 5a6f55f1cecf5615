"""What is kept on disk of every reading, before anything is sent.

journal        what is kept how long, and how far each output has got
segments       files of records, appended to, closed, compressed and dropped
layout         how these files lie in their folder
disk, door     what the disk does not take, and the lock
places         what stands in the way of a file, moved out of it
reader         records of a segment, read forwards
frames         one record on disk, which proves itself
cursor, start  how far one output has got, and where a new one begins
snapshots      how far a derivation has got, and what it remembers
losses, notes  what was lost, and what was refused
"""

FORMAT = 1  # of what is written; a release reads this one and all before it
