"""Rules without I/O: incidents, air alerts, routing and the SCSNS messages."""
