"""The worker as a process of its machine: started by others, ended by signals and errors, watched, with threads."""
