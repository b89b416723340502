"""The decisions of drbook as functions of data: no file, socket, clock or process is touched here."""
