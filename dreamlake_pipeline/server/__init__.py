"""DreamLake Server: the index of files and their folder tree. It never touches S3."""
