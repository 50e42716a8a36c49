"""Where it is computed: devices, their memory, threads and copies."""
