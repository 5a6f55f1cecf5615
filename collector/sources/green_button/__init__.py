"""The utility's own meter, by Green Button files.

source   the door
meaning  what the intervals of a file come to
espi     the XML of a file
unpack   opens a file: XML, or packed as GZ or ZIP
"""
