"""Where backups are kept.

folder             a folder of this computer, or of a disk at it
azure, blobs       a container in Azure, and what is put into it
https, credential  one request to it, and who asks
sftp               a folder of another computer
sftp_line          the requests for it
sftp_message       their form
ssh                its address, the keys, and the program that brings the connection
connect, upload    which store it is, and what is brought there
pace               how fast
"""
