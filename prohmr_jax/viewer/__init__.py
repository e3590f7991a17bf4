"""Shows results: as a page that needs no server, and in a browser with one."""
