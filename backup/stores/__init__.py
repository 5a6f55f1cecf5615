"""Where backups are kept.

folder             a folder of this computer, or of a disk at it
azure, blobs       a container in Azure, and what is put into it
https, credential  one request to it, and who asks
connect, upload    which container it is, and what is brought there
"""
