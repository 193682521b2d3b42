"""The main job on this machine, end to end: keys, the sandbox as receiver, the daemon, files, and what arrived."""
