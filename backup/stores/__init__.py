"""Where backups are kept.

folder             a folder of this computer, or of a disk at it
azure, blobs       a container in Azure, and what is put into it
https, credential  one request to it, and who asks
sftp, sftp_line    a folder of another computer, and the requests for it
ssh                its address, the keys, and the program that brings the connection
connect, upload    which store it is, and what is brought there
pace               how fast
"""
